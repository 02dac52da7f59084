"""Write the start of a training: a bundle with the pre-trained weights, adapted to the network of plans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from nnplug.contracts.attributed.architecture import build_network
from nnplug.contracts.kinds import ARCHITECTURE
from nnplug.dataset.description import DatasetDescription
from nnplug.models.bundle import Contents, pack
from nnplug.models.pretrained import head_names
from nnplug.models.start import Start
from nnplug.plans.plans import Plans
from nnplug.registry.components import Registry
from nnplug.runtime.files import give_default_permissions
from nnplug.runtime.progress import Progress
from nnplug_nnssl.checkpoint import Pretraining, Size
from nnplug_nnssl.networks import parts_of
from nnplug_nnssl.weights import Adapted, Target, adapt


@dataclass(frozen=True)
class Loading:
    """The rules by which weights are taken.

    Attributes:
        exact: whether the network is that of the pre-training. If not, the weights that fit are taken.
        decoder: whether the decoder's weights are taken, too, where they fit.
    """

    exact: bool = True
    decoder: bool = False


def write_start(
    target: Path,
    pretraining: Pretraining,
    plans: Plans,
    configuration: str,
    description: DatasetDescription,
    *,
    loading: Loading,
    registry: Registry,
    progress: Progress,
) -> None:
    """Write the bundle that `train --pretrained` takes, and tell the citations and what was not taken.

    Args:
        target: a folder, or a file that ends in ".zip".
        pretraining: the checkpoint.
        plans: the plans of the training.
        configuration: the configuration that is trained.
        description: the `dataset.json`.
        loading: the rules by which weights are taken.
        registry: the installed components.
        progress: receives notices.

    Raises:
        InvalidFile: the weights do not fit the network; the message names the first that do not.
        NnplugError: `target` must not be replaced, see `nnplug.models.bundle_files.check_free`.
    """
    trained = plans.training_description(description)
    network = _network(plans, configuration, trained, loading, registry)
    adapted = adapt(pretraining, network)
    contents = Contents(
        plans=plans,
        description=trained,
        configuration=configuration,
        folds={"all": lambda path: _save(adapted, path)},
        mirror_axes=(),
        providers=plans.providers,
        record={"all": {"source": "nnssl", "kernels": list(adapted.kernels), "left_out": list(adapted.left_out)}},
        start=Start(source=pretraining.path.name, sha256=pretraining.sha256, citations=pretraining.citations),
    )
    pack(contents, target)
    _report(pretraining, adapted, network, progress)


def _network(
    plans: Plans, configuration: str, description: DatasetDescription, loading: Loading, registry: Registry
) -> Target:
    """Return the network as names and shapes; no memory is allocated for it."""
    planned = plans.configuration(configuration)
    choice, channels = planned.architecture, planned.input_channels(description)
    architecture = registry.create(ARCHITECTURE, choice.name, choice.options)
    outputs = description.labels.outputs
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        state = build_network(architecture, channels=channels, outputs=outputs).state_dict()
    heads = head_names(architecture, channels=channels, outputs=outputs)
    patch: Size = (planned.patch_size[0], planned.patch_size[1], planned.patch_size[-1])
    return Target(parts_of(choice.name), state, patch, loading.exact, loading.decoder, heads)


def _save(adapted: Adapted, path: Path) -> None:
    save_file(dict(adapted.weights), path)
    give_default_permissions(path)


def _report(pretraining: Pretraining, adapted: Adapted, network: Target, progress: Progress) -> None:
    taken, absent = len(adapted.weights), len(network.pretrained - adapted.weights.keys())
    progress.notice(
        f"{pretraining.path.name}: {taken} parameters are taken"
        + (f", {len(adapted.kernels)} of them with the mean of their kernels" if adapted.kernels else "")
    )
    if absent:
        progress.notice(f"{absent} parameters of the encoder have no pre-trained weights; they begin at random")
    if adapted.left_out:
        progress.notice(f"{len(adapted.left_out)} pre-trained parameters have no place in the network of the plans")
    for citation in pretraining.citations:
        progress.notice(f"cite for these weights: {citation}")
