"""The training loop: one for all networks and objectives; it knows none of them by name.

All randomness of a step is drawn from (seed, step), so a resumed run is the uninterrupted one, exactly.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from robust_core import ranks
from robust_core.data import Augmentation, holdout
from robust_core.device import choose_precision, name_of, of_weights
from robust_core.methods import Batch, Learner, Objective, Terms, make
from robust_core.models import build
from robust_core.models.backbone import Backbone
from robust_core.training.averaging import RunningMean
from robust_core.training.changes import Changes
from robust_core.training.optimizers import Optimizers
from robust_core.training.origin import origin, refuse_another, refuse_two_folders
from robust_core.training.recipe import Recipe
from robust_core.training.run import Run, State
from robust_core.training.schedule import draw, learning_rate, steps_per_epoch
from robust_core.training.validation import validate
from robust_core.types import Classifier, ImageSet, Splits, UserError

LOG_EVERY = 20  # steps
SAVE_EVERY = 30.0  # seconds between saved states, and at the end of each epoch


class Lesson(nn.Module):
    """One batch's loss as a module's forward pass, so that DistributedDataParallel can stand around it."""

    def __init__(self, objective: Objective, learner: Learner) -> None:
        super().__init__()
        self.net, self.objective, self.learner = learner.net, objective, learner

    def forward(self, batch: Batch) -> Terms:
        return self.objective.loss(self.learner, batch) | self.learner.take_terms()


class Training:
    """One run in the making. `train()` goes on from the last saved state to the end, or to where `stop` says so."""

    def __init__(
        self,
        run: Run,
        data: Splits,
        *,
        device: torch.device,
        on_event: Callable[[dict[str, Any]], None],
        teachers: Mapping[str, Classifier] | None = None,
    ) -> None:
        self.run, self.recipe, self.device, self.on_event = run, run.recipe, device, on_event
        recipe = self.recipe
        rest, self.held_out = holdout(data.train, recipe.data.holdout, recipe.seed)
        self.part = ranks.share(recipe.schedule.batch_size)
        self.images, self.labels = rest.images.to(device), rest.labels.to(device)
        self.origin = origin(data.train, teachers or {})
        dtype = choose_precision(recipe.precision, device)
        self.net = fresh_network(recipe, data.train).to(device, of_weights(dtype))
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if ranks.world() > 1:
            ranks.share_norms(self.net)
        self.objective = make(recipe.objective.name, **recipe.objective.options)
        self.learner = Learner(
            self.net, recipe.attack, recipe.route, teachers, dtype=dtype, compiled=recipe.compile, images=len(rest)
        )
        self.lesson: nn.Module = Lesson(self.objective, self.learner)
        if ranks.world() > 1:
            # A route may leave parameters out of a step; the norms agree already.
            self.lesson = DistributedDataParallel(
                self.lesson, forward_sync_buffers=False, find_unused_parameters=not isinstance(self.net, Backbone)
            )
        self.augment = Augmentation(pad=recipe.data.pad, flip=recipe.data.flip)
        self.optimizers = Optimizers(self.net, recipe.schedule, recipe.route)
        self.per_epoch = steps_per_epoch(recipe, len(data.train))
        self.total = self.per_epoch * recipe.schedule.epochs
        self.mean = RunningMean(self.net, recipe.schedule.average) if recipe.schedule.average else None
        self.step, self.seconds, self.best = 0, 0.0, -1.0
        # Step and seconds from which on speed is told, and that of this epoch's beginning: what was before the last
        # epoch, a resumption or a change says little of the time that is left.
        self.since = self.epoch_began = (0, 0.0)
        self.sums: dict[str, float] = {}

    def train(self, *, stop: Callable[[], bool] = lambda: False) -> bool:
        """True when the run is complete, False when it was stopped; either way its state is saved."""
        with ranks.agreed():  # until all have read it, nobody writes
            state = self.run.load_state()
        refuse_two_folders(state)
        if state is None:
            about = {"parameters": sum(p.numel() for p in self.net.parameters()), "device": self.device.type}
            about |= {"precision": name_of(self.learner.dtype), "processes": ranks.world()}
            self._log({"event": "start", **about})
            self._save()  # so that there is always something to go on from
        else:
            with ranks.agreed():
                refuse_another(state.facts.get("origin", {}), self.origin)
            self._restore(state)
            if ranks.rank() == 0:
                self.on_event({"event": "resume", "step": self.step, "of": self.total})
        self.changes = Changes(self.run, self.step)
        self._follow(self.changes.recipe)
        started, saved = time.perf_counter() - self.seconds, time.perf_counter()
        order = torch.empty(0, dtype=torch.long)
        while self.step < self.total:
            if ranks.any_of(stop()):
                self._save()
                return False
            self._take_changes()
            if self.step % self.per_epoch == 0 or not len(order):
                order = torch.randperm(len(self.images), generator=draw(self.recipe.seed, "epoch", self.epoch))
            values, lr = self._one_step(order)
            self.step += 1
            self.seconds = time.perf_counter() - started
            if self.step % LOG_EVERY == 0 or self.step in (1, self.total):
                self._log(self._progress(values, lr))
            if self.step % self.per_epoch == 0:
                self._end_epoch()
                self.seconds = time.perf_counter() - started
                self.since, self.epoch_began = self.epoch_began, (self.step, self.seconds)
            if self.step % self.per_epoch == 0 or time.perf_counter() - saved > SAVE_EVERY:
                self._save()
                saved = time.perf_counter()
        return True

    def _take_changes(self) -> None:
        if ranks.any_of(ranks.rank() == 0 and self.changes.take(self.step)):
            self.changes.told(json.loads(ranks.said(json.dumps(self.changes.taken))))
        for change in self.changes.due(self.step):
            self._log({"event": "change", "step": self.step, **change})
            self._follow(self.changes.recipe)
            self.since = self.epoch_began = (self.step, self.seconds)

    def _follow(self, recipe: Recipe) -> None:
        self.recipe, self.learner.attack = recipe, recipe.attack

    @property
    def epoch(self) -> int:
        return self.step // self.per_epoch

    def _one_step(self, order: Tensor) -> tuple[dict[str, float], float]:
        schedule = self.recipe.schedule
        generator = draw(self.recipe.seed, "step", self.step)
        at = self.step % self.per_epoch * schedule.batch_size
        chosen = order[at : at + schedule.batch_size].to(self.device)
        x = self.augment(self.images[chosen], generator)[self.part].float().div_(255)
        lr = learning_rate(schedule, self.step, self.total, self.per_epoch)
        mine = chosen[self.part]
        batch = Batch(
            x=x,
            y=self.labels[mine],
            step=self.step,
            generator=generator,
            rate=lr / schedule.lr,
            first=self.part.start,
            places=None if self.augment.changes else mine,
        )
        self.net.train()
        self.learner.listener = self.mean.listener(self.step, self.per_epoch) if self.mean else None
        terms: Terms = self.lesson(batch)
        self.optimizers.zero_grad()
        terms.total.backward()
        told = ranks.mean(torch.stack([terms.total, *terms.values.values()]).detach())
        self._refuse_nonsense(told[0])
        self.optimizers.step(lr)
        if self.mean:
            self.mean.follow(self.net, self.step, heard=self.learner.listener is not None)
        values = dict(zip(terms.values, told[1:].tolist(), strict=True))
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        return values, lr

    def _refuse_nonsense(self, loss: Tensor) -> None:
        """Before the step, so that weights that are no numbers are neither taken nor saved."""
        squares = torch.stack([p.grad.square().sum() for p in self.net.parameters() if p.grad is not None])
        for name, value in (("loss", loss), ("gradient", squares.sum())):
            if not bool(torch.isfinite(value)):
                raise UserError(
                    f"the {name} became {value.item()} at step {self.step}; a lower schedule.lr usually helps"
                )

    def _end_epoch(self) -> None:
        weights = (self.mean or self.net).state_dict()
        figures = validate(self.net, weights, self.held_out, self.recipe.validation.attack, self.device)
        event = {"event": "epoch", "epoch": self.epoch, "step": self.step, "seconds": round(self.seconds, 2)}
        event |= {name: total / self.per_epoch for name, total in self.sums.items()}
        self._log(event | figures | self.objective.end_epoch() | self.learner.end_epoch())
        self.sums = {}
        score = figures[self.recipe.validation.select]
        if score > self.best:
            self.best = score
            if ranks.rank() == 0:  # a checkpoint is float32, whatever it was trained in
                self.run.save_weights({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})

    def _progress(self, values: dict[str, float], lr: float) -> dict[str, Any]:
        step, seconds = self.since
        rate = (self.step - step) / max(self.seconds - seconds, 1e-9)
        event: dict[str, Any] = {"event": "step", "step": self.step, "of": self.total, "lr": lr}
        event |= values | self.objective.figures()
        event["images_per_second"] = round(rate * self.recipe.schedule.batch_size, 1)
        return event | {"seconds": round(self.seconds, 2), "seconds_left": round((self.total - self.step) / rate, 1)}

    def _log(self, event: dict[str, Any]) -> None:
        if ranks.rank() == 0:
            self.run.log(event)
            self.on_event(event)

    def _save(self) -> None:
        if ranks.rank():
            return
        tensors = {f"net.{k}": v for k, v in self.net.state_dict().items()}
        tensors |= {f"mean.{k}": v for k, v in self.mean.state_dict().items()} if self.mean else {}
        tensors |= self.optimizers.state_dict()
        facts = {"step": self.step, "seconds": self.seconds, "best": self.best, "sums": self.sums}
        facts["origin"] = self.origin
        facts["objective"], facts["learner"] = self.objective.state_dict(), self.learner.state_dict()
        self.run.save_state(State(tensors=tensors, facts=facts))

    def _restore(self, state: State) -> None:
        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v.to(self.device) for k, v in state.tensors.items() if k.startswith(prefix)}

        self.net.load_state_dict(part("net."))
        if self.mean:
            self.mean.load_state_dict(part("mean."))
        self.optimizers.load_state_dict(part(""))
        self.step, self.seconds = state.facts["step"], state.facts["seconds"]
        self.since = self.epoch_began = (self.step, self.seconds)
        self.best, self.sums = state.facts["best"], dict(state.facts["sums"])
        self.objective.load_state_dict(state.facts["objective"])
        self.learner.load_state_dict(state.facts["learner"])


def fresh_network(recipe: Recipe, train: ImageSet) -> Classifier:
    """The recipe's network with its seeded initial weights, for images of this set."""
    return build(
        recipe.model.architecture,
        in_channels=train.shape[0],
        num_classes=len(train.class_names),
        seed=recipe.seed,
        **recipe.model.options,
    )
