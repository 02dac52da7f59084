"""The inference of a prediction: that of the plans, unless the user chooses another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnplug.contracts import Inference
from nnplug.contracts.kinds import INFERENCE, InferenceEntry
from nnplug.inference.options import PredictOptions
from nnplug.models.model_components import components_of
from nnplug.plans.plans import Plans
from nnplug.preparation.planned import planned_component
from nnplug.registry.components import Kind, Registry
from nnplug.registry.loader import Plugins
from nnplug.runtime.progress import Silent


@dataclass(frozen=True)
class ChosenInference:
    """An inference with the options that it is made with.

    Attributes:
        entry: the entry of the component.
        options: the options of the plans and of the user.
    """

    entry: InferenceEntry
    options: Mapping[str, Any]

    def create(self) -> Inference:
        """Return the component; errors are those of `Entry.create`."""
        return self.entry.create(self.options)

    def data(self) -> list[Any]:
        """Return JSON of everything that logits depend on."""
        return [self.entry.name, dict(self.options), self.entry.component.state_version]


def choose_inference(plans: Plans, own: Registry, options: PredictOptions, installed: Registry) -> ChosenInference:
    """Return the inference that the user names, or else that of the plans.

    Options of the plans are kept for their own component.

    Args:
        plans: the plans of the model.
        own: the components that the model was made with.
        options: the user's choices.
        installed: all installed components.

    Raises:
        UnknownComponent, AmbiguousComponent: as in `Registry.get`.
    """
    step = {} if options.step is None else {"step": options.step}
    given = {**step, **options.inference_options}
    if options.inference is None:
        entry, choice = planned_component(INFERENCE, plans, own)
        return ChosenInference(entry, {**choice.options, **given})
    entry = installed.get(INFERENCE, options.inference)
    planned = plans.choices.get(Kind.INFERENCE)
    kept = planned.options if planned is not None and planned.name == entry.name else {}
    return ChosenInference(entry, {**kept, **given})


def check_inference(options: PredictOptions, plugins: Plugins) -> None:
    """Raise, before any image is read, unless all components of the model and the chosen inference are installed.

    Raises:
        MissingProvider: as in `components_of`.
        NnplugError: as in `choose_inference` and `Entry.create`.
    """
    for member in options.model.members:
        for stage in reversed(member.stages):
            own = components_of(stage, plugins, Silent(), kinds=options.needed_kinds)
            choose_inference(stage.plans, own, options, plugins.registry).create()
