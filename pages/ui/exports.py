"""Taking a perturbation home: files, each read back and asked again, and the code and command that repeat it."""

from __future__ import annotations

import io
import shlex
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pages.ui.film import Film, softmax
from pages.ui.pictures import png
from pages.ui.served import Served, Subject
from robust_core.attacks import AttackSettings, quantise

OPTIONS = ("restarts", "kappa", "momentum", "queries", "random_start", "start")  # those the command line takes by --set


@dataclass(frozen=True, kw_only=True)
class File:
    """A file to take home, and what the network says of it once it is read back."""

    name: str
    content: bytes
    answer: int
    confidence: float
    fooled: bool
    reach: float  # max|δ| and L2 of what was read back
    length: float


def files(net: Served, subject: Subject, film: Film) -> list[File]:
    """The .npz (float32, what the command line writes) and the .png (8 bit, still inside the ball)."""
    name = stem(net, subject.index, film)
    return [
        _asked(f"{name}.npz", npz(film), read_npz(npz(film)), net, film),
        _asked(f"{name}.png", eight_bit(film), read_png(eight_bit(film)), net, film),
    ]


def stem(net: Served, index: int | None, film: Film) -> str:
    """What the files are called, here and by the command; index None: a visitor's own picture."""
    return f"{net.name.replace('/', '_')}_{'own' if index is None else index}_{film.settings.name}"


def npz(film: Film) -> bytes:
    """x, x_adv (1, C, H, W) float32, y, and the settings as JSON."""
    buffer = io.BytesIO()
    y = np.array([film.y], dtype=np.int64)
    np.savez(buffer, x=film.x[None], x_adv=film.x_adv[None], y=y, settings=film.settings.model_dump_json())
    return buffer.getvalue()


def eight_bit(film: Film) -> bytes:
    """The adversarial picture in 8 bits, rounded so that it stays within ε, as a PNG."""
    pixels = quantise(_batch(film.x_adv), _batch(film.x), film.settings.ball)[0].permute(1, 2, 0).numpy()
    return png(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, level=9)


def read_npz(content: bytes) -> Tensor:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return torch.from_numpy(arrays["x_adv"])


def read_png(content: bytes) -> Tensor:
    pixels = np.array(Image.open(io.BytesIO(content)))
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div_(255)


def _asked(name: str, content: bytes, x_adv: Tensor, net: Served, film: Film) -> File:
    with torch.no_grad():
        logits = net.net(x_adv)[0].numpy()
    change = x_adv[0].double().numpy() - film.x.astype(np.float64)
    answer = int(logits.argmax())
    return File(
        name=name,
        content=content,
        answer=answer,
        confidence=float(softmax(logits).max()),
        fooled=answer != film.y if film.target is None else answer == film.target,
        reach=float(np.abs(change).max()),
        length=float(np.sqrt((change**2).sum())),
    )


def command(net: Served, data_name: str, index: int, film: Film) -> str:
    """The command line that prints the same prediction and writes the same .npz."""
    s = film.settings
    words = ["python", "-m", "robust_core", "attack", net.name, "--index", str(index), "--name", s.name]
    words += ["--norm", s.norm, "--eps", repr(s.eps)]
    used = s.used
    words += ["--steps", str(s.steps)] if "steps" in used else []
    words += ["--step-size", repr(s.step_size)] if s.step_size is not None else []
    words += ["--target", str(film.target)] if film.target is not None else []
    usual = AttackSettings(name=s.name, norm=s.norm)
    for key in OPTIONS:
        if key in used and used[key] != usual.used[key]:
            words += ["--set", f"{key}={str(used[key]).lower()}"]
    if s.random:
        # An attack that starts at the picture unless told otherwise takes its seed together with what it is told.
        words += ["--seed", str(s.seed)] if usual.random else ["--set", f"seed={s.seed}"]
    words += ["--data", data_name] if data_name != net.card.data_name else []
    return shlex.join([*words, "--out", f"{stem(net, index, film)}.npz"])


def script(net: Served, data_name: str, index: int | None, film: Film) -> str:
    """The same in Python; a visitor's own picture is read from the .npz they took home."""
    settings = ", ".join(f"{key}={value!r}" for key, value in film.settings.to_dict().items())
    if index is None:
        picture = f'taken = np.load("{stem(net, index, film)}.npz")  # the file above\n'
        picture += f'x, y = torch.from_numpy(taken["x"]), torch.tensor([{film.y}])'
    else:
        picture = f'images = data.load("{data_name}").test\nx, y = images.floats([{index}]), images.labels[[{index}]]'
    target = "" if film.target is None else f", target={film.target}"
    lines = [
        *(["import numpy as np"] if index is None else []),
        "import torch",
        "from robust_core import checkpoints, data" if index is not None else "from robust_core import checkpoints",
        "from robust_core.attacks import AttackSettings, run",
        "from robust_core.frozen import frozen",
        "",
        "torch.set_num_threads(1)  # as the app does; with more, torch takes other kernels, and other last bits",
        f'net = frozen(checkpoints.load(checkpoints.find("{net.name}")))',
        picture,
        f"settings = AttackSettings({settings})",
        f"x_adv = run(settings, net, x, y{target})",
        "print(net(x_adv).softmax(dim=1))",
    ]
    return "\n".join(lines)


def _batch(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image[None].copy())
