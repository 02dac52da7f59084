"""A sound trainer in its shortest form, which reports once, and trainers that break one promise each."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import save_file

from nnplug.contracts import AugmentationContext, LogLine, TrainingLength, TrainingRehearsal, append_log, truncate_log
from nnplug.runtime.files import atomic_file
from nnplug.runtime.seeds import generator


@dataclass(frozen=True, kw_only=True)
class Sound:
    epochs: int = 2
    iterations_per_epoch: int = 2
    watched: int = 0

    def mirror_axes(self, dimensions):
        return tuple(range(dimensions))

    def length(self, task):
        return TrainingLength(self.epochs * self.iterations_per_epoch, self.watched, self.epochs)

    def options_for(self, length):
        per_epoch = -(-length.iterations // length.log_lines)
        return {
            "epochs": length.log_lines,
            "iterations_per_epoch": per_epoch,
            "watched": length.validation_iterations,
        }

    def train(self, task):
        optimizer = torch.optim.SGD(task.network.parameters(), lr=0.05, momentum=0.9)
        start = self.restore(task, optimizer)
        self.trim_log(task, start)
        with task.progress.task("train", 1) as advance:
            for epoch in range(start, self.epochs):
                self.log(task, epoch, self.epoch(task, optimizer, epoch))
                self.save(task.run.best_weights, task.network)
                self.keep(task, optimizer, epoch + 1)
            advance("")
        self.save(task.run.final_weights, task.network)
        task.run.state.unlink(missing_ok=True)

    def epoch(self, task, optimizer, epoch):
        task.network.train()
        augmentation = self.bind(task)
        for iteration in range(self.iterations_per_epoch):
            samples = [self.sample(task, augmentation, self.rng(task, epoch, iteration, i)) for i in range(2)]
            image, label = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*samples, strict=True))
            optimizer.zero_grad()
            loss = self.loss(task.network(image)[0], label.long())
            loss.backward()
            optimizer.step()
        return loss.item()

    def bind(self, task):
        size = task.configuration.patch_size
        axes = self.mirror_axes(len(size))
        return task.augmenter.bind(
            AugmentationContext(size, axes, task.masked_channels, task.labels, task.previous_labels)
        )

    def rng(self, task, *place):
        return generator(task.seed, *place)

    def sample(self, task, augmentation, rng):
        case = task.cases[task.training[rng.integers(len(task.training))]]
        size = augmentation.source_patch_size
        box = (1,) * (3 - len(size)) + tuple(size)
        starts = [rng.integers(whole - part + 1) for whole, part in zip(case.label.shape, box, strict=True)]
        place = tuple(slice(start, start + part) for start, part in zip(starts, box, strict=True))
        arrays = case.image[:, *place], case.label[place]
        image, label = (array.squeeze(-3) if len(size) == 2 else array for array in arrays)
        if not task.previous_labels:
            return augmentation(image, label, rng)
        return augmentation(image, label, rng, previous=self.previous(case)[place].reshape(label.shape))

    def previous(self, case):
        return case.previous[...]

    def loss(self, logits, label):
        return torch.nn.functional.cross_entropy(logits, label)

    def log(self, task, epoch, loss):
        append_log(task.run.log, LogLine(epoch=epoch, learning_rate=0.05, train_loss=loss, seconds=1.0))

    def trim_log(self, task, epoch):
        truncate_log(task.run.log, epoch)

    def save(self, path, network):
        with atomic_file(path) as temporary:
            save_file(network.state_dict(), temporary)

    def state(self, task, optimizer, epoch):
        return {"epoch": epoch, "network": task.network.state_dict(), "optimizer": optimizer.state_dict()}

    def keep(self, task, optimizer, epoch):
        with atomic_file(task.run.state) as temporary:
            torch.save(self.state(task, optimizer, epoch), temporary)

    def restore(self, task, optimizer):
        if not task.run.state.exists():
            return 0
        state = torch.load(task.run.state, weights_only=True)
        task.network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        return state["epoch"]


class AddsNoise(Sound):
    """Adds noise to the weights, reads no data."""

    def epoch(self, task, optimizer, epoch):
        with torch.no_grad():
            for index, parameter in enumerate(task.network.parameters()):
                noise = self.rng(task, epoch, index).normal(scale=0.1, size=tuple(parameter.shape))
                parameter += torch.from_numpy(noise).float()
        return 1.0


class ReadsAll(Sound):
    """Looks at cases that are held back for others."""

    def epoch(self, task, optimizer, epoch):
        assert all(case.image.shape for case in task.cases.values())
        return super().epoch(task, optimizer, epoch)


class GuessesLabels(Sound):
    """Learns from labels that it draws at random."""

    def loss(self, logits, label):
        return super().loss(logits, torch.arange(label.numel()).reshape(label.shape) % 3)


class Climbs(Sound):
    """Follows the gradient the wrong way."""

    def loss(self, logits, label):
        return -super().loss(logits, label)


class NoAugmentation(Sound):
    """Says that the augmenter was used, and does without it."""

    def sample(self, task, augmentation, rng):
        size = task.configuration.patch_size

        def plain(image, label, rng, previous=None):
            inside = (slice(1, -1),) * len(size)
            cut = image[:, *inside]
            if previous is not None:
                cut = np.concatenate([cut, *((previous[inside] == v)[None] for v in task.previous_labels)])
            return cut.astype(np.float32), np.maximum(label[inside], 0)

        plain.source_patch_size = augmentation.source_patch_size
        return super().sample(task, plain, rng)


class OtherMirrors(Sound):
    """Mirrors no axis in training, and says that it mirrors them all."""

    def bind(self, task):
        context = AugmentationContext(task.configuration.patch_size, (), (), task.labels, task.previous_labels)
        return task.augmenter.bind(context)


class IgnoresPrevious(Sound):
    """Gives the network empty channels of the previous stage."""

    def previous(self, case):
        return 0 * case.previous[...]


class ReadsUnlabelled(Sound):
    """Sound: takes steps to lower the entropy of predictions for images without label maps."""

    def epoch(self, task, optimizer, epoch):
        loss = super().epoch(task, optimizer, epoch)
        for case in task.unlabelled.values():
            patch = case.image[:, 4:12, 4:12, 4:12] if len(task.configuration.patch_size) == 3 else case.image[:, 5]
            optimizer.zero_grad()
            logits = task.network(torch.from_numpy(self.seen(patch))[None])[0]
            (-(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()).backward()
            optimizer.step()
        return loss

    def seen(self, patch):
        return patch


class IgnoresUnlabelled(Sound):
    """Declares that it takes images without label maps, and reads none."""


class DimsUnlabelled(ReadsUnlabelled):
    """Changes these images by numbers of a generator without a seed."""

    def seen(self, patch):
        return patch * np.float32(np.random.default_rng().uniform(0, 2))


class Rehearsed(Sound):
    """Shows the memory of its steps."""

    def rehearse(self, task, place):
        size, batch = task.configuration.patch_size, self.patches(task)
        channels = len(task.configuration.normalization)
        image, label = torch.zeros(batch, channels, *size), torch.zeros(batch, *size, dtype=torch.int64)
        network = task.network.train()
        return TrainingRehearsal(lambda: self.loss(network(image)[0], label).backward())

    def patches(self, task):
        return task.configuration.batch_size


class RehearsesOnePatch(Rehearsed):
    """Shows the memory of a batch that is smaller than that of the training."""

    def patches(self, task):
        return 1


class MirrorsByFold(Sound):
    """Decides on the mirrored axes by the number of cases of a fold."""

    def adapted(self, task):
        decided = copy.copy(self)
        object.__setattr__(decided, "mirror_axes", lambda dimensions: (0,) if len(task.training) > 1 else ())
        return decided


class DecidesUnasked(Sound):
    """Has `adapted`, which is never called: its entry does not say adapts."""

    def adapted(self, task):
        return self


class NoLog(Sound):
    def log(self, task, epoch, loss):
        pass

    def trim_log(self, task, epoch):
        pass


class ForeignLog(NoLog):
    """Writes a log that another reader cannot read."""

    def log(self, task, epoch, loss):
        with task.run.log.open("a") as log:
            log.write(f"{epoch};{loss}\n")


class ForgetsMomentum(Sound):
    """Goes on with the weights, but with a new optimizer."""

    def restore(self, task, optimizer):
        fresh = {**optimizer.state_dict()}
        epoch = super().restore(task, optimizer)
        optimizer.load_state_dict(fresh)
        return epoch


class CountsFromStart(Sound):
    """Draws by the number of calls since the start of the process."""

    def train(self, task):
        calls = iter(range(10**6))
        object.__setattr__(self, "rng", lambda task, *_: generator(task.seed, next(calls)))
        super().train(task)


class TornState(Sound):
    """Writes its state over the old one: a kill in between leaves half of it."""

    def keep(self, task, optimizer, epoch):
        torch.save(self.state(task, optimizer, epoch), task.run.state)


class DeletesState(Sound):
    """Makes room before it writes: a kill in between begins anew, but with the old log."""

    def keep(self, task, optimizer, epoch):
        task.run.state.unlink(missing_ok=True)
        super().keep(task, optimizer, epoch)

    def trim_log(self, task, epoch):
        if task.run.state.exists():
            super().trim_log(task, epoch)


class FinishesEarly(Sound):
    """Writes the final weights, which say that all is done, before they are final."""

    def log(self, task, epoch, loss):
        super().log(task, epoch, loss)
        self.save(task.run.final_weights, task.network)


class RepeatsLog(Sound):
    """Leaves epochs in the log that are trained again."""

    def trim_log(self, task, epoch):
        pass


class Restless(Sound):
    """Draws from a generator without a seed."""

    def rng(self, task, *place):
        return np.random.default_rng()


class StartsAnew(Sound):
    """Keeps no state: not wrong, but nothing from which going on could be tried."""

    def keep(self, task, optimizer, epoch):
        pass
