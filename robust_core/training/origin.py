"""What a run was begun with, so that it never goes on with something else: its images, and its teachers' weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from robust_core import ranks
from robust_core.training.run import State
from robust_core.types import Classifier, ImageSet, UserError


def origin(train: ImageSet, teachers: Mapping[str, Classifier]) -> dict[str, str]:
    """What it is → its fingerprint."""
    taught = {f"weights of the {role} teacher": _digest(net) for role, net in teachers.items()}
    return {"training images": train.fingerprint} | taught


def refuse_another(begun_with: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raises UserError where something is not what the run was begun with; states of old do not say, and pass."""
    for what, print_ in now.items():
        before = begun_with.get(what, print_)
        if before != print_:
            raise UserError(
                f"this run was begun with other {what} ({before[:12]}) than are here now ({print_[:12]}); bring those "
                "back, or train anew in another folder"
            )


def refuse_two_folders(state: State | None) -> None:
    """Processes on machines that do not share the folder would go on from different steps."""
    step = None if state is None else state.facts["step"]
    with ranks.agreed():
        if (first := json.loads(ranks.said(json.dumps(step)))) != step:
            raise UserError(f"the processes see different states, of step {first} and {step}: share the run folder")


def _digest(net: Classifier) -> str:
    """Of names and weights, wherever they lie and however they are laid out."""
    whole = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        whole.update(name.encode())
        whole.update(value.detach().cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()
