"""The import of weights: a form, and beside it what the import would do, before anything is done."""

from __future__ import annotations

import hashlib
import html

import streamlit as st

from pages.ui import link
from pages.ui.frame import colours, verbatim
from pages.ui.library_told import acting, facts, limit, mark, say
from pages.ui.memory import remember
from robust_core import data
from robust_core.library import weights as core
from robust_core.library.limits import read_only
from robust_core.library.weights import Asked, Report
from robust_core.models import ARCHITECTURES
from robust_core.models.released import Normalisation
from robust_core.training.adopt import parse_normalisation
from robust_core.types import UserError

NORMALS = {"none": "none, or in the file", "cifar10": "CIFAR-10's", "imagenet": "ImageNet's", "own": "my own numbers"}
KNOWN: dict[str, Normalisation] = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
TYPES = [suffix.removeprefix(".") for suffix in core.SUFFIXES]
LISTED = 300  # keys of each kind


def weights() -> None:
    """The form on the left, the report on the right."""
    with st.container(key="wrap_library_weights"):
        left, right = st.columns([9, 11], gap="large")
    with left:
        told = f"{limit()}; larger ones on the command line: python -m robust_core import FILE --architecture …"
        file = st.file_uploader(
            ".safetensors, .pth or .pt", type=TYPES, key="library_weights_file", help=told, disabled=read_only()
        )
        title = st.text_input("Title", key="library_weights_title", max_chars=80, placeholder="as the file is called")
        asked, problem = _form()
        licence = st.text_input(
            "Licence of the weights", key="library_weights_licence", max_chars=200, placeholder="not said"
        )
    with right:
        st.markdown("### What the import would do")
        if problem:
            st.error(verbatim(problem), icon=":material/error:")
        elif file is None:
            st.caption(
                "Give a state dict: the tensors of a network by name, as `torch.save(net.state_dict(), path)` or "
                "safetensors writes them. Files are read without running anything in them: a pickle that holds code "
                "is refused, and the code is named. Then every key is held against the architecture, and what is "
                "missing, unexpected or of another shape is listed here. Only a file that fits whole is imported."
            )
        elif asked is not None:
            _report(file.getvalue(), file.name, asked, title, licence)


def _form() -> tuple[Asked | None, str]:
    """What was said of the file; or why it cannot be taken so."""
    names = {name: name for name in ARCHITECTURES.names()}
    architecture = link.select("Architecture", names, "arch", "resnet18")
    sets = {name: data.DATASETS[name].title for name in data.DATASETS.names()}
    data_name = link.select("Trained on", sets, "trained_on", "cifar10", help="Settles classes and image shape.")
    normal = link.select(
        "Input normalisation", NORMALS, "normal", "none",
        help="A transforms.Normalize(mean, std) before the network, in the authors' code. Networks here take images in "
        "[0, 1] and normalise inside, so that ε means the same everywhere. One that the file itself holds is kept. "
        "Evaluate the import, and compare it with what its authors report.",
    )  # fmt: skip
    st.caption("As its authors' code has it: a wrong choice fits all the same, and costs accuracy.")
    try:
        normalize = KNOWN.get(normal)
        if normal == "own":
            mean = st.text_input("Mean, one number a channel", key="library_mean", placeholder="0.4914,0.4822,0.4465")
            std = st.text_input("Std, one number a channel", key="library_std", placeholder="0.2471,0.2435,0.2616")
            normalize = parse_normalisation(mean.strip(), std.strip())
            if normalize is None:
                raise UserError("give mean and std, one number a channel")
        options = core.parse_options(
            st.text_input(
                "Options of the architecture", key="library_options", placeholder="none; for example depth=28, widen=10"
            )
        )
    except UserError as error:
        return None, str(error)
    return Asked(architecture=architecture, data_name=data_name, normalize=normalize, options=options), ""


def _report(content: bytes, name: str, asked: Asked, title: str, licence: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    with st.spinner("Holding every key against the network…"):
        found = remember(("weights", digest, name, repr(asked)), lambda: _examined(content, name, asked), private=True)
    if isinstance(found, str):
        st.error(verbatim(found), icon=":material/error:")
        return
    if found.problem:
        st.error(verbatim(found.problem), icon=":material/error:")
    shown = {
        "Fits": mark("every key, every shape", well=True) if not found.problem else "",
        "Holds": f"{found.tensors:,} tensors, {found.parameters:,} numbers",
        "Knows": f"{found.classes} classes of images of {found.channels} channel{'s' if found.channels != 1 else ''}",
        "Options": html.escape(", ".join(f"{key} = {value}" for key, value in found.options.items())),
        "To note": html.escape(". ".join(found.notes)),
    }
    facts(shown)
    _keys(found)
    if st.button(
        "Import", key="library_weights_go", type="primary", icon=":material/download_2:",
        disabled=found.problem is not None or read_only(),
    ):  # fmt: skip
        with acting(), st.spinner("Importing…"):
            told = title.strip() or name.rpartition(".")[0][:80]
            made = core.bring(content, name, asked, title=told, licence=licence)
            link.write("model", made.name)
            say(f"{told} is here, as {made.name}. Nothing of it is measured yet: evaluate it under Checkpoints.")


def _examined(content: bytes, name: str, asked: Asked) -> Report | str:
    """The report, or the sentence on why there is none: both are remembered."""
    try:
        return core.examine(content, name, asked)
    except UserError as error:
        return str(error)


def _keys(found: Report) -> None:
    kinds = {"Missing": found.missing, "Unexpected": found.unexpected, "Mis-shaped": found.misshaped}
    parts = []
    for kind, keys in kinds.items():
        if keys:
            more = f"<li>… and {len(keys) - LISTED} more</li>" if len(keys) > LISTED else ""
            items = "".join(f"<li>{html.escape(key)}</li>" for key in keys[:LISTED])
            parts.append(f"<div><b>{kind}: {len(keys)}</b><ul tabindex='0'>{items}{more}</ul></div>")
    if parts:
        st.html(f'<div class="rl-keys" style="{colours()}">{"".join(parts)}</div>')
