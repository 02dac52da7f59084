"""Remedies: actions of the user that solve a problem, without the words of any command line.

An error of the library carries an `Action` with its arguments. Its own words suit Python users; each command line has a
table that words every action as its own command or option.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from string import Formatter
from typing import Any


@unique
class Action(StrEnum):
    """An action of the user. Its value is the words for Python users; the names in braces are its arguments."""

    MEASURE = "Measure the dataset again."
    MEASURE_AND_PLAN = "Measure and plan the dataset again."
    CHOOSE_EXTRACTOR = "Choose another extractor."
    PLAN = "Plan the dataset again."
    PLAN_ANEW = "Plan the dataset again; the new plans will not have it."
    PLAN_FIRST = "Plan {dataset} with name={plans!r} in workspace {workspace} first."
    KEEP_OTHER_PLANS = "Pass only name and options with source."
    MEASURE_FIRST = "Measure {dataset} in workspace {workspace} first."
    PLAN_LIKE = "Plan the dataset from the plans of {model}, so that both have one network."
    PLAN_WITH = "Plan with {assignment} in options."
    PLAN_WITH_MORE_MEMORY = "Plan for a larger GPU memory with memory_gb."
    PLAN_WITH_MEMORY = "plan with memory_gb={gigabytes}."
    SET_WHEN_PLANNING = "Set it when the dataset is planned."
    NAME_PLANS = "Name the plans with name; there are {known}"
    SPLIT_BY_GROUPS = "If they are, make folds of groups of cases."
    REPLACE_FOLDS = (
        "Write these with replace=True; trainings that were begun with the others are then refused until they are done "
        "again from the start."
    )
    RESTORE_FOLDS = "Put the old folds back, or train it again from the start with fresh=True."
    VERIFY = "Verify the dataset, which lists all its problems."
    RESTORE_UNLABELLED = "Put the old images back, or train it again from the start with fresh=True."
    PREPROCESS = "Preprocess configuration {configuration} of plans {plans} for {dataset} in workspace {workspace}."
    PREPROCESS_AGAIN = "Preprocess the dataset again."
    DELETE_AND_PREPROCESS = "Delete {folder} and preprocess the dataset again."
    SELECT = "Select the best model of plans {plans} for {dataset} in workspace {workspace}."
    TRAIN_FIRST = "train a configuration first"
    TRAIN_FOLD = "train fold {fold} of configuration {configuration}"
    TRAIN_PREVIOUS_STAGE = (
        "Train fold {fold} of configuration {configuration} of plans {plans} for {dataset} in workspace {workspace}."
    )
    TRAIN_FROM = "Train from it with pretrained={model}, which initialises the rest."
    TRAIN_ON = "Train it again, which goes on where it was."
    TRAIN_ON_OR_USE_BEST = "Train it again, which goes on where it was, or use the best weights so far."
    DELETE_RUN = "Delete {folder} to train it again from the start."
    TRAIN_ANEW = "Train it again from the start with fresh=True."
    TRAIN_SAME_ANEW = "nnplug.train with fresh=True trains it again all the same."
    TRAIN_ANEW_WITH = "Train it again from the start with {assignment} in options and fresh=True."
    MIRROR_LESS = "Give {assignment} in options."
    RESTORE_VALUES = (
        "Give the same values to go on, fresh=True to train it again from the start, or another name to keep both."
    )
    SET_OPTION = "Set {assignment} in options."
    SHORTEN_TRAINING = "shorten it by options of its trainer."
    USE_ONE_DEVICE = "use 1 device instead of {devices}"
    USE_FEWER_DEVICES = "use at most {devices}"
    USE_OWN_DEVICE = "use 1 device per fold instead of {devices}"
    USE_ANY_DEVICE = 'Use device "auto", or install a PyTorch built for that device.'
    USE_MORE_THREADS = "Give more cores and threads."
    FREE_SPACE = "Free some space, then start it again."
    USE_ONE_THREAD = "close other programs, or use 1 worker, which holds one case at a time."
    SHOW_WAIT = "Profile a training, which shows the wait; give the process more cores."
    CHOOSE_DISK = "choose a workspace on another disk."
    VALIDATE_FOLD = "validate fold {fold} of configuration {configuration} again with validate_only=True"
    SAVE_LOGITS = "predict it with save_logits=True"
    PREDICT_PRECISELY = "predict on the CPU, in full precision, or check the weights"
    PREDICT_IN_MORE_MEMORY = (
        "close other programs on the GPU, raise gpu_memory_gb if you give it, or predict on the CPU"
    )
    TRAIN_IN_MORE_MEMORY = (
        "close other programs on the GPU, raise gpu_memory_gb if you give it, or plan for a smaller GPU memory or with "
        "plan.batch_size={batch_size}"
    )
    PREDICT_IN_WINDOWS = "predict with inference='sliding-window'"
    EXPORT_RUNS = "export the runs as a bundle"
    EXPORT_MODEL = "export one from runs"
    EXPORT_BEST = "export the best weights"
    IMPORT_NNUNET = "import it from nnU-Net, which makes a bundle"
    CHOOSE_CHECKPOINT = "choose the final or the best checkpoint"
    GIVE_PREVIOUS_STAGE = "give the folder of the previous stage"
    CONVERT_V1 = "convert its folder with the converter nnunet-v1"
    RENUMBER = "or convert the folder with the converter pairs and its option classes={classes}, which renumbers them"
    INSIST = "or predict it as it is with force=True"
    OTHER_OUTPUT = "give another output"
    OTHER_OUTPUT_OR_RENAME = "give another output, or rename it"
    OTHER_OUTPUT_OR_REPLACE = "give another output, or allow it with replace=True"
    CHECK_PLUGIN = "Check distribution {distribution} with nnplug.testing"
    BLOCK_PLUGINS = "block {names:, } to leave it out"
    BLOCK_ONE_PLUGIN = "Block one of {names:, }."
    UNBLOCK_PLUGIN = "Load the plugins without blocking {name}."
    CHOOSE_DEFAULT_RECIPE = "Choose one of the recipes {recipes:, }, or block one of {names:, }."
    NAME_KIND = "Name the {kind}, too."
    LEAVE_OUT_KIND = "Name no {kind}, or a trainer that takes one."
    LEAVE_OUT_RESAMPLER = "Name no resampler, or a preprocessor that takes one."
    INSTALL_HUB = "Install a plugin that offers this hub, or give the path of a model."
    INSTALL_READER = "Install a plugin with a reader of such files, and give its readers."
    CHOOSE_IMAGES = "Choose by their ids with series; there are:"
    NAME_READER = 'Name one of {names:, } as "reader" in dataset.json, or give it alone.'
    CHOOSE_KINDS = "Name a component of each kind ({kinds:, }), or a recipe (installed: {known})."

    def __call__(self, **arguments: object) -> Remedy:
        """Return the remedy with these arguments.

        Raises:
            TypeError: the action has other arguments.
        """
        return Remedy(self, arguments)


@dataclass(frozen=True)
class Remedy:
    """An action with its arguments.

    Attributes:
        action: the action.
        arguments: name -> value, for the names in the action's words.
    """

    action: Action
    arguments: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise `TypeError` for unknown or missing arguments."""
        if (wanted := placeholders(self.action.value)) != set(self.arguments):
            raise TypeError(f"{self.action.name} takes {sorted(wanted)}, not {sorted(self.arguments)}")

    def __str__(self) -> str:
        """Return the words for Python users."""
        return self.words({})

    def words(self, table: Mapping[Action, str]) -> str:
        """Return the words of a command line.

        Args:
            table: action -> words with the arguments in braces; `{argument!q}` is quoted for a shell. Missing actions
                get the words for Python users.
        """
        return _Words().vformat(table.get(self.action, self.action.value), (), self.arguments)


class _Words(Formatter):
    """A formatter with the conversion `!q`."""

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        return shlex.quote(str(value)) if conversion == "q" else super().convert_field(value, conversion)


class Names(tuple[str, ...]):
    """Names as an argument of a remedy; the format gives their separator: `{names: or }`."""

    __slots__ = ()

    def __format__(self, separator: str) -> str:
        """Return the names with a separator between them."""
        return separator.join(self)


def placeholders(words: str) -> set[str]:
    """Return the names of the arguments in braces, without their attributes (`{dataset.name}`)."""
    return {name.partition(".")[0] for _, name, _, _ in Formatter().parse(words) if name}
