"""What a run's history tells: maps and bars of its classes, an epoch to scrub, fairness, two teachers in balance."""

from __future__ import annotations

import streamlit as st

from pages.ui import link
from pages.ui.frame import guarded, look, show, verbatim
from pages.ui.temperatures_runs import Watched
from robust_core import charts
from robust_core.explain import Story, by_difficulty
from robust_core.methods.absld import MARGINS, TEMPERATURES, WEIGHTS
from robust_core.training import status
from robust_core.types import UserError

ORDERS = {"hard": "hardest first", "name": "by name", "data": "as in the data"}
POLL = 2.0  # seconds between looks at a run under way
ALSO = {"weight": "a weight in the loss", "margin": "an ε of its own"}
LEVERS = {
    "weight": "A class's weight multiplies its terms of the loss in the next epoch: the sooner its images fell to the "
    "inner attack, the more it weighs, {:.3g} to {:.3g}.".format(*WEIGHTS),
    "margin": "In the next epoch its images are attacked with ε times its own factor, {:g} to {:g}, larger for hard "
    "classes.".format(*MARGINS),
}
SMALL = 30  # held-out images a class below which its accuracy jumps by whole points
WORDS = {
    "absld": "Each class has its own temperatures. After an epoch, those whose error risk lies above the mean are "
    "cooled (τ falls, sharper labels), the others warmed.",
    "rslad": "All temperatures stay at 1 here: this is what ABSLD starts from. Its error risks say which way ABSLD "
    "would move each class.",
    "fair_rslad": "All temperatures stay at 1; hard classes weigh more instead. The error risks say which way ABSLD "
    "would move each class.",
    "mtard": "Two teachers, one temperature each, both at 1; only the weights of the two losses are balanced.",
    "b_mtard": "Two teachers, one temperature each, moved until both speak with equal entropy; no temperature a class.",
}


def tell(run: Watched, beside: Watched | None) -> None:
    """The whole of it, in a part of the page of its own: scrubbing leaves the rest alone, and a run under way is
    looked at again every other second."""
    live = run.state in ("running", "queued")
    st.fragment(_told, run_every=POLL if live else None)(run, beside, live)


def _told(run: Watched, beside: Watched | None, live: bool) -> None:
    told = run.story()
    names = run.class_names(told)
    st.markdown(_intro(run, told))
    if live and not _still_live(run):
        st.rerun(scope="app")
    if told.balances:
        _balances(run, told, beside)
    if len(told.epochs):
        _classes(run, told, names, beside)
    else:
        st.info(_nothing(run), icon=":material/hourglass_empty:")


def _still_live(run: Watched) -> bool:
    """Anew from the folder: it may have ended, or been deleted, since the page was built."""
    try:
        return status.look(run.folder).status == run.state
    except UserError:
        return False


def _intro(run: Watched, told: Story) -> str:
    """One sentence on what is to be seen here, and one on what is missing."""
    words = WORDS.get(run.method)
    if words is None or (run.method == "absld" and len(told.epochs) and not told.soft_labelled):
        return (
            f"{verbatim(run.title)} was taught by hard labels, so it has no temperatures: what there is to see is how "
            "its classes fared. “Fair temperatures” on the [Train](Train) page makes a run with them within minutes; "
            "the `…_absld.toml` among the recipes of the zoo make them on whole sets of images."
        )
    if run.method != "absld" or not (more := [word for name, word in ALSO.items() if told.moved(name)]):
        return words
    return f"{words} Here each class has {' and '.join(more)} as well."


def _nothing(run: Watched) -> str:
    if not run.folder.is_dir():
        return f"{verbatim(run.title)} was deleted. Choose another run on the left."
    state = {
        "queued": "waits for its turn", "running": "is in its first epoch: figures come after it",
        "stopped": "was stopped before its first epoch ended", "dead": "broke off before its first epoch ended",
        "failed": "failed before its first epoch ended", "finished": "has no history of epochs",
    }.get(run.state, "has no epoch yet")  # fmt: skip
    return f"{verbatim(run.title)} {state}."


def _classes(run: Watched, told: Story, names: tuple[str, ...], beside: Watched | None) -> None:
    last = len(told.epochs)
    st.markdown("### Class by class, epoch by epoch")
    bar = st.container(horizontal=True, vertical_alignment="bottom", key="temperatures_bar")
    with bar:
        picked = link.segments("Order of the classes", ORDERS, "order", "hard")
        epoch = link.slider("Epoch", 1, last, 1, "epoch", last) if last > 1 else 1
    order, current, kept = _ordered(picked, told, names), epoch if last > 1 else None, run.kept()
    maps = charts.class_maps(told, names, order=order, current=current, kept=kept, look=look())
    measured = _measured(run, told, names)
    signed = f"{run.title}{f', trained on {run.recipe.data.name}' if run.recipe else ''}. {measured}"
    show(maps, "class_maps", told=signed)
    st.caption(" ".join([measured, *(words for name, words in LEVERS.items() if told.moved(name))]))
    st.markdown(f"### After epoch {epoch} of {last}{_held(epoch, kept)}")
    bars = charts.class_bars(told, names, epoch=epoch, order=order, look=look())
    show(bars, "class_bars", told=f"Epoch {epoch} of {last}. {signed}")
    if told.tempered:
        low, high = TEMPERATURES
        st.caption(
            f"τ starts at 1 (the line), is kept between {low:g} and {high:g}, and stands as the epoch left it: it "
            "makes the labels of the next. Dotted: the mean error risk, the class mean of the cross-entropy over the "
            "epoch's training images; above it τ falls."
        )
    st.markdown("### Fairness over the training")
    runs = [(run.title, told)]
    with guarded():
        other = beside.story() if beside else None
        if beside and other is not None and len(other.epochs):
            runs.append((beside.title, other))
    show(charts.fairness(runs, names, current=current, kept=kept, look=look()), "fairness", told=signed)
    if _all_zero(told):
        st.caption("Where no class survives the attack, NSD is not defined: its line has a gap.")


def _held(epoch: int, kept: int | None) -> str:
    """What the heading says of the weights, where they are not the last epoch's."""
    if kept is None:
        return ""
    return ", whose weights are kept" if epoch == kept else f"; the weights kept are those of epoch {kept}"


def _all_zero(told: Story) -> bool:
    return bool((told.classes["robust"][:, -1] == 0).all()) if "robust" in told.classes else False


def _ordered(picked: str, told: Story, names: tuple[str, ...]) -> list[int]:
    if picked == "name":
        return sorted(range(len(names)), key=lambda k: names[k].casefold())
    # By the last epoch whatever is scrubbed: rows that jump under the hand cannot be followed.
    return by_difficulty(told) if picked == "hard" else list(range(len(names)))


def _measured(run: Watched, told: Story, names: tuple[str, ...]) -> str:
    n = f"{told.n:,} held-out training images" if told.n else "held-out training images"
    attack = run.recipe.validation.attack.describe() if run.recipe else "the recipe's validation attack"
    seed = f"; the run's own seed: {run.recipe.seed}" if run.recipe else ""
    said = f"Accuracies on {n}, after each epoch; robust: {attack}{seed}."
    if told.n and told.n / max(len(names), 1) < SMALL:
        said += f" About {told.n / len(names):.0f} a class: one image is {100 * len(names) / told.n:.1f} points."
    gaps = sum(bool((values != values).all()) for values in (row for row in told.classes.get("clean", [])))
    if gaps:
        said += f" {gaps} {'class has' if gaps == 1 else 'classes have'} no held-out image: empty rows."
    return said


def _balances(run: Watched, told: Story, beside: Watched | None) -> None:
    st.markdown("### The balance of two teachers")
    runs = [(run.title, told)]
    other = beside.story() if beside else None
    if beside and other is not None and other.balances:
        runs.append((beside.title, other))
    show(charts.balances(runs, look=look()), "balances", told=" ".join(map(_balanced, (run, beside), runs)))
    st.caption(_off(run, beside if len(runs) > 1 else None))


def _balanced(run: Watched, drawn: tuple[str, Story]) -> str:
    """What the curves of one run are of, for a picture of them."""
    title, told = drawn
    attack = run.recipe.attack.replace(seed=run.recipe.seed).describe() if run.recipe else ""  # drawn from that seed
    inner = f"inner attack: {attack}" if attack else ""
    on = f", trained on {run.recipe.data.name}" if run.recipe else ""
    return f"{title}{on}: n = {len(told.steps):,} logged steps, batch means{'; ' * bool(inner)}{inner}."


def _off(run: Watched, beside: Watched | None) -> str:
    said = (
        "H is the batch mean of the entropy of a teacher's softened answer: the more confident teacher's τ rises until "
        "both are level. w follows the losses, each relative to its first step: who lags behind weighs more."
    )
    if beside is None:
        return said + " Beside an MTARD run you would see what the entropy balance does."
    mine, theirs = _levers(run), _levers(beside)
    lost = [word for word, a, b in zip(("loss balance", "entropy balance"), mine, theirs, strict=True) if a and not b]
    won = [word for word, a, b in zip(("loss balance", "entropy balance"), mine, theirs, strict=True) if b and not a]
    switched = [f"the {word} switched off" for word in lost] + [f"the {word} switched on" for word in won]
    return f"{said} Dotted: {verbatim(beside.title)}, {' and '.join(switched) or 'with the same balances'}."


def _levers(run: Watched) -> tuple[bool, bool]:
    """Loss balance, entropy balance: on or off."""
    options = run.recipe.objective.options if run.recipe else {}
    entropies = options.get("balance_entropies", run.method == "b_mtard")
    return bool(options.get("balance_losses", True)), bool(entropies)
