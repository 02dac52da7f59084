"""The component `foreign-adam` of kind trainer: rounds of random patches, and a state after each round."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from nnplug.contracts import (
    LogLine,
    Trainer,
    TrainingLength,
    TrainingRehearsal,
    TrainingTask,
    Workload,
    append_log,
    truncate_log,
)
from nnplug.errors import InvalidFile
from nnplug.remedies import Action
from nnplug.runtime.files import atomic_file
from nnplug.runtime.progress import Advance
from nnplug.runtime.seeds import generator
from nnplug_foreign.batches import TRAINING, VALIDATION, Batches, bound
from nnplug_foreign.losses import loss_of
from nnplug_foreign.unlabelled import entropy, unlabelled_patches

DROPOUT = 3
"""The purpose of the random numbers that layers of the network draw."""


@dataclass(frozen=True, kw_only=True)
class AdamTrainer(Trainer):
    """Trains with Adam at a constant learning rate; the best weights are those of the lowest validation loss.

    Attributes:
        rounds: parts of the training, each with a line in the log and a state to go on from.
        steps: batches to learn from in a round.
        checks: validation batches of a round.
        learning_rate: of Adam.
        foreground: the share of patches that is centred on a foreground voxel.
        certainty: the weight of the entropy of predictions for images without label maps.
    """

    rounds: int = 40
    steps: int = 100
    checks: int = 10
    learning_rate: float = 2e-3
    foreground: float = 0.6
    certainty: float = 0.1

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing would be learnt."""
        if min(self.rounds, self.steps) < 1 or self.checks < 0:
            raise ValueError(f"rounds is {self.rounds}, steps {self.steps}, checks {self.checks}; expected more")
        if self.learning_rate <= 0 or not 0 <= self.foreground <= 1:
            raise ValueError(f"learning_rate is {self.learning_rate}, foreground {self.foreground}; not in their range")

    def mirror_axes(self, dimensions: int) -> tuple[int, ...]:
        """See `nnplug.contracts.Trainer`: all axes."""
        return tuple(range(dimensions))

    def length(self, task: TrainingTask) -> TrainingLength:
        """See `nnplug.contracts.Trainer`."""
        return TrainingLength(self.rounds * self.steps, self.rounds * self.checks, self.rounds)

    def options_for(self, length: TrainingLength) -> Mapping[str, Any]:
        """See `nnplug.contracts.Trainer`."""
        rounds = length.log_lines
        steps, checks = -(-length.iterations // rounds), -(-length.validation_iterations // rounds)
        return {"rounds": rounds, "steps": steps, "checks": checks}

    def train(self, task: TrainingTask) -> None:
        """See `nnplug.contracts.Trainer`."""
        task.run.path.mkdir(parents=True, exist_ok=True)
        training = _Training(self, task)
        training.restore()
        training.run()
        save_weights(training.network, task.run.final_weights)
        task.run.state.unlink(missing_ok=True)

    def rehearse(self, task: TrainingTask, place: torch.device) -> TrainingRehearsal:
        """See `nnplug.contracts.RehearsingTrainer`; images without label maps are left out."""
        network, loss, configuration = task.network.train(), loss_of(task), task.configuration
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        shape = configuration.batch_size, *configuration.patch_size
        label = torch.zeros(shape, dtype=torch.int64, device=place)
        image = torch.zeros((shape[0], len(configuration.normalization), *shape[1:]), device=place)

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss(network(image)[0], label[:, None]))
            optimizer.step()

        return TrainingRehearsal(step)


class _Training:
    """A training on its way: network, optimiser, the rounds that are done, and the lowest loss of them."""

    def __init__(self, options: AdamTrainer, task: TrainingTask) -> None:
        self.options, self.task = options, task
        self.network = task.accelerate(task.network.to(task.device), Workload(task.device, "training"))
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=options.learning_rate)
        self.loss = loss_of(task)
        self.done, self.lowest = 0, float("inf")

    def restore(self) -> None:
        """Go to where an earlier start was stopped.

        Raises:
            InvalidFile: the state is damaged.
        """
        path = self.task.run.state
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location=self.task.device, weights_only=True)
        except Exception as error:  # a damaged file fails in many ways
            raise InvalidFile(
                f"{path}: damaged, but the training resumes from it", Action.DELETE_RUN(folder=path.parent)
            ) from error
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.done, self.lowest = state["done"], state["lowest"]

    def run(self) -> None:
        """Train the rounds that are left."""
        options, task = self.options, self.task
        truncate_log(task.run.log, self.done)  # later rounds are trained again
        title = f"train {task.run.path.parent.name} {task.run.path.name}"
        total, done = options.rounds * options.steps, self.done * options.steps
        with self._batches() as (learn, check), task.progress.task(title, total, done=done) as advance:
            while self.done < options.rounds:
                self._round(learn, check, advance)

    @contextmanager
    def _batches(self) -> Iterator[tuple[Batches, Batches]]:
        task, share = self.task, self.options.foreground
        augmentation = bound(task, self.options.mirror_axes(task.configuration.dimensions))
        with ThreadPoolExecutor(max(1, task.workers)) as threads:
            learn = Batches(task, task.training, TRAINING, augmentation, share, threads)
            yield learn, Batches(task, task.validation, VALIDATION, None, share, threads)

    def _round(self, learn: Batches, check: Batches, advance: Advance) -> None:
        started, options, number = time.monotonic(), self.options, self.done
        torch.manual_seed(int(generator(self.task.seed, DROPOUT, number).integers(2**62)))
        self.network.train()
        steps = range(number * options.steps, (number + 1) * options.steps)
        train_loss = _mean([self._step(step, learn[step], advance) for step in steps])
        val_loss = self._check(check) if options.checks else None
        line = LogLine(
            epoch=number,
            learning_rate=options.learning_rate,
            train_loss=train_loss,
            val_loss=val_loss,
            seconds=round(time.monotonic() - started, 3),
        )
        append_log(self.task.run.log, line)
        self._keep(train_loss if val_loss is None else val_loss)

    def _step(self, number: int, batch: tuple[torch.Tensor, torch.Tensor], advance: Advance) -> torch.Tensor:
        image, label = batch
        self.optimizer.zero_grad(set_to_none=True)
        value = self.loss(self.network(image)[0], label[:, None])
        if self.task.unlabelled and self.options.certainty:
            logits = self.network(unlabelled_patches(self.task, number))[0]
            value = value + self.options.certainty * entropy(logits, self.task.labels)
        torch.autograd.backward(value)
        self.optimizer.step()
        advance(f"round {self.done + 1}")
        return value.detach()

    @torch.no_grad()
    def _check(self, batches: Batches) -> float:
        self.network.eval()
        found = []
        for number in range(self.done * self.options.checks, (self.done + 1) * self.options.checks):
            image, label = batches[number]
            found.append(self.loss(self.network(image), label[:, None]))
        return _mean(found)

    def _keep(self, value: float) -> None:
        """Write the best weights where they are, then the state that the next start goes on from."""
        run = self.task.run
        if value < self.lowest or not run.best_weights.exists():
            self.lowest = value
            save_weights(self.network, run.best_weights)
        self.done += 1
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "done": self.done,
            "lowest": self.lowest,
        }
        with atomic_file(run.state) as temporary:
            torch.save(state, temporary)


def save_weights(network: torch.nn.Module, path: Path) -> None:
    """Write the state dict as safetensors, whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_file(path) as temporary:
        save_file(tensors, temporary)


def _mean(losses: list[torch.Tensor]) -> float:
    return float(torch.stack(losses).mean())
