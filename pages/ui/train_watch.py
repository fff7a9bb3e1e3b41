"""The watched run: what it is doing, its curves as they grow, a few pictures through its weights."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from pages.ui import link
from pages.ui.frame import colours, guarded, look, verbatim
from pages.ui.memory import Memory
from pages.ui.train_list import actions, duration
from pages.ui.train_measured import beside_the_shipped, measured, measuring
from pages.ui.train_probes import probes
from pages.ui.train_runs import LIVE, Watched
from robust_core import charts
from robust_core.charts.curves import Axis, Told
from robust_core.evaluation.measures import in_percent
from robust_core.training import control
from robust_core.training.follow import Log, follow
from robust_core.training.kept import kept_earlier
from robust_core.training.limits import limits
from robust_core.training.progress import span
from robust_core.training.run import Run
from robust_core.training.status import look as look_at
from robust_core.types import UserError

POLL = 2.0  # seconds between looks at a run under way
STATES = {
    "running": "running", "queued": "waits for its turn", "stopped": "stopped", "dead": "broke off", "failed": "failed",
    "finished": "finished",
}  # fmt: skip


def watch(run: Watched, beside: Sequence[Watched], by: Axis, smooth: int, allowed: bool) -> None:
    """All of it: the head with what can be done, and the live part, which alone is looked at again and again."""
    with st.container(horizontal=True, vertical_alignment="center", key="train_head"):
        st.markdown(f"### {verbatim(run.title)}" + ("" if run.own else ", as it was trained"))
        if run.own:
            actions(run, allowed, "head")
            if allowed and run.status == "running" and not run.stopping:
                _change(run)
        if run.status == "finished":
            _onward(run)
    if not run.own:
        st.caption(
            "A network that comes with RobustLens, and the whole history of its training: what is below grows before "
            "your eyes when the run is your own."
        )
    counted = measuring(run)
    live = counted or run.status in LIVE or any(other.status in LIVE for other in beside)
    st.fragment(_live, run_every=POLL if live else None)(run, beside, by, smooth, counted)


def _onward(run: Watched) -> None:
    goes = link.params() | {"model": run.checkpoint}
    st.page_link(
        "pages/1_Perturb.py", label="Open in Perturb", icon=":material/blur_on:", query_params=goes,
    )  # fmt: skip
    st.page_link(
        "pages/3_Temperatures.py", label="Class by class", icon=":material/thermostat:", query_params=goes,
    )  # fmt: skip
    beside_the_shipped(run)


def _change(run: Watched) -> None:
    """What may be changed while it goes; taken before the run's next step, and written into its history."""
    recipe = run.recipe
    if recipe is None:
        return
    with (
        st.popover("Change it", icon=":material/tune:", key=f"train_change_{run.name}"),
        st.form(f"train_form_{run.name}", border=False),
    ):
        changes = follow(run.folder).changes
        now = {"lr": recipe.schedule.lr, "eps": recipe.attack.eps, "steps": recipe.attack.steps}
        for change in changes:
            now |= {key: change[key] for key in now if key in change}
        st.markdown("Taken before the next step; the card of the run will say so.")
        key = f"_{run.name}_{len(changes)}"  # a change that was taken is where the next one starts
        # No bounds but those of all numbers: the core knows the ranges, and says them.
        lr = st.number_input("Highest learning rate", value=float(now["lr"]), format="%g", key="train_lr" + key)
        eps = st.number_input(
            "ε of the inner attack", value=float(now["eps"]), step=0.01, format="%g", key="train_eps" + key
        )
        steps = st.number_input("Steps of the inner attack", value=int(now["steps"]), key="train_steps" + key)
        if st.form_submit_button("Change", key="train_apply" + key):
            asked = {k: v for k, v in {"lr": lr, "eps": eps, "steps": steps}.items() if v != now[k]}
            with guarded():
                if asked:
                    control.change(run.folder, **asked)
                    st.success("Asked for: " + ", ".join(f"{k} = {v:g}" for k, v in asked.items()))


def _live(run: Watched, beside: Sequence[Watched], by: Axis, smooth: int, counted: bool) -> None:
    """Anew from the folders: a run may have moved on, ended or been deleted since the page was built, the watched one
    or one that is laid over it."""
    acted = st.session_state.pop("train_acted", False)
    if acted or not all(_as_built(each) for each in (run, *beside)) or counted != measuring(run):
        st.rerun(scope="app")
    log = follow(run.folder)
    st.html(_facts(run, log))
    # A place each, always there: what comes and goes above the figure must not move it, or it is built anew.
    state, curves, pictures = st.container(), st.container(), st.container()
    with state:
        _state(run, log)
    with curves:
        if log or beside:
            _curves(run, log, beside, by, smooth)
    with pictures, guarded():
        probes(run)


def _as_built(run: Watched) -> bool:
    """Does it still do what it did when the page was built? What is shipped always does."""
    if not run.own:
        return True
    try:
        seen = look_at(run.folder)
    except UserError:  # discarded
        return False
    return (seen.status, seen.stopping) == (run.status, run.stopping)


def _facts(run: Watched, log: Log) -> str:
    """Figures in a row, and how far it is."""
    last, epoch = (log.steps or [{}])[-1], (log.epochs or [{}])[-1]
    of = last.get("of") or 0
    done = max(log.step, Run(run.folder).saved_step)  # steps are told now and then, and may be saved between
    word = "stopping" if run.stopping else STATES[run.status] if run.measured else "finished, not measured"
    facts = [("", f'<span class="rl-state {run.status}">{word}</span>', "")]
    facts += [("step", f"{done:,} of {of:,}" if of else "0", "")]
    if run.recipe is not None:
        facts.append(("epoch", f"{epoch.get('epoch', 0)} of {run.recipe.schedule.epochs}", ""))
    n = f", {epoch['n']:,} held-out images" if epoch.get("n") else ""
    facts += [("clean" + n, in_percent(epoch["clean"]), "c")] if _number(epoch.get("clean")) else []
    facts += [("robust", in_percent(epoch["robust"]), "a")] if _number(epoch.get("robust")) else []
    facts += [("images a second", f"{rate:,.0f}", "")] if (rate := span(last.get("images_per_second"))) else []
    if run.status == "running" and of and done >= of:
        facts.append(("last of all", "measuring", ""))
    elif run.status == "running" and last.get("seconds_left") is not None:
        facts.append(("left, about", duration(last["seconds_left"]), ""))
    elif log.epochs or log.steps:
        facts.append(("trained for", duration(max(last.get("seconds", 0), epoch.get("seconds", 0))), ""))
    cells = "".join(
        f'<div><b class="{c}">{v}</b><small>{html.escape(k) or "&nbsp;"}</small></div>' for k, v, c in facts
    )
    share = 100 * done / of if of else 0
    return (
        f'<div style="{colours()}"><div class="rl-facts">{cells}</div><div class="rl-way" role="progressbar" '
        f'aria-label="steps done" aria-valuenow="{share:.0f}"><b style="width:{share:.1f}%"></b></div></div>'
    )


def _number(value: object) -> bool:
    return isinstance(value, (int, float))


def _state(run: Watched, log: Log) -> None:
    """A sentence on what the figures do not say."""
    seen = run.seen
    last = (log.steps or [{}])[-1]
    if told := _kept(run, log):
        st.caption(told)
    if seen is not None and seen.status in ("failed", "dead"):
        word = "It failed" if seen.status == "failed" else "It broke off"
        st.error(
            f"{word}. The last that was heard of it is below; Resume goes on from its last state.",
            icon=":material/error:",
        )
        st.code(seen.told or "nothing", language=None)
    elif seen is not None and seen.status == "stopped":
        st.info(
            f"Stopped{': ' + seen.told if seen.told else ''}. Resume goes on from its last good state.",
            icon=":material/pause:",
        )
    elif run.status == "queued":
        now = next((one.place for one in control.runs() if one.folder == run.folder), None)  # others come and go
        place = f", place {now}" if now else ""
        st.info(f"Waits for its turn{place}: {limits().running} at a time.", icon=":material/hourglass_empty:")
    elif run.status == "running" and not log.steps:
        st.caption(
            "Starting: it loads its libraries, its images and its teachers. The first figures take some seconds."
        )
    elif run.status == "running" and last.get("step") and last.get("step") == last.get("of"):
        st.caption("Trained. It is being measured on the test images now.")
    measured(run, log)


def _kept(run: Watched, log: Log) -> str:
    """Of which epoch the weights are, where the figures above are of a later one."""
    kept = kept_earlier(log.epochs, run.recipe)
    if kept is None or run.recipe is None:
        return ""
    last, then = log.epochs[-1], next(line for line in reversed(log.epochs) if line.get("epoch") == kept)
    so_far = " so far" if run.status in LIVE else ""
    figures = [f"{name} {in_percent(then[name])}" for name in ("clean", "robust") if _number(then.get(name))]
    return (
        f"Clean and robust after epoch {last['epoch']} of {run.recipe.schedule.epochs}; the weights kept{so_far} are "
        f"those of epoch {kept}: {', '.join(figures)}."
    )


def _curves(run: Watched, log: Log, beside: Sequence[Watched], by: Axis, smooth: int) -> None:
    now = look()
    logs = [(run, log), *((other, follow(other.folder)) for other in beside)]
    key = (
        "training",
        *((str(r.folder), r.title, one.version, len(one.steps)) for r, one in logs),
        by,
        smooth,
        now.name,
    )

    def drawn() -> charts.Growing:
        return charts.training([_told(r, o) for r, o in logs], by=by, smooth=smooth, look=now)

    figure = _latest().get(key)
    if figure is None:
        _latest().put(key, figure := drawn())
    st.echarts_chart(figure.option, height=figure.height, theme=None, key="train_curves", alt=figure.alt)
    attack = run.recipe.validation.attack.describe() if run.recipe else "the recipe's validation attack"
    seed = f", the run's seed {run.recipe.seed}" if run.recipe else ""
    st.caption(
        f"Robust: {attack}; on training images held out{seed}. Losses: every 20th step's batch, "
        + ("each value as it was." if smooth == 1 else f"smoothed over about {smooth} of them, raw behind.")
        + _changed(log)
    )


@st.cache_resource(show_spinner=False)
def _latest() -> Memory:
    """Figures of all visitors: of runs that grow only the last few are worth keeping."""
    return Memory(4)


def _told(run: Watched, log: Log) -> Told:
    planned = run.recipe.schedule.epochs if run.recipe else None
    kept = kept_earlier(log.epochs, run.recipe)
    return Told(name=run.title, planned=planned, kept=kept, steps=log.steps, epochs=log.epochs, changes=log.changes)


def _changed(log: Log) -> str:
    told = []
    for change in log.changes:
        values = ", ".join(f"{k} = {v:g}" for k, v in change.items() if k not in ("event", "step"))
        told.append(f"{values} from step {change.get('step', 0):,} on")
    return f" Changed on the way (dotted): {'; '.join(told)}." if told else ""
