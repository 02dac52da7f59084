"""The contract between the core and its plugins: all hooks on one page.

A plugin is a module named by an entry point in the group ``nnplug``. It implements any of the hooks below
with ``@nnplug.hookimpl``. Every hook is a *registration* hook: the core calls it once per process, without
arguments, and reads the iterable of frozen entries that it returns. The call must not read data, use a device
or import a deep-learning library. An entry has the import path of its implementation, and the core imports it
when a user chooses it by name.

Rules for all hooks:

* A hook returns entries of its own class (`nnplug_trainers`: `nnplug.TrainerComponent`). The fields of an entry
  declare the capabilities of its implementation beyond the contract. The core calls no method that an entry does
  not declare.
* Users type the name of an entry, and plans and weights record it. Names are lower-case words joined by
  hyphens, unique within a hook; start them with the plugin's own name (``brats``, ``brats-aggressive``).
* If two distributions offer one name, its use is an error that names both. No entry replaces another silently,
  and the order of installation has no meaning.
* A released name keeps its meaning. Change behaviour under a new name, or increase ``state_version`` if old
  weights can no longer be loaded.
* An implementation declares only the arguments that it uses, so a hook can get new arguments later.

The contract of each kind's target is in `nnplug.contracts`, one Protocol per kind, and in ``docs/hooks/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nnplug.registry.commands import PluginCommand
    from nnplug.registry.components import Recipe
    from nnplug.registry.entries import (
        AcceleratorComponent,
        ArchitectureComponent,
        AugmenterComponent,
        ConverterComponent,
        ExecutorComponent,
        ExtractorComponent,
        HubComponent,
        InferenceComponent,
        LossComponent,
        MetricComponent,
        NormalizerComponent,
        PlannerComponent,
        PostprocessorComponent,
        PreprocessorComponent,
        ReporterComponent,
        ResamplerComponent,
        SamplerComponent,
        TrackerComponent,
        TrainerComponent,
    )
    from nnplug.registry.reader_entry import ReaderComponent, WriterComponent

PROJECT = "nnplug"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def nnplug_converters() -> Iterable[ConverterComponent]:
    """Offer converters, which turn folders of other layouts into datasets.

    A target satisfies `nnplug.contracts.Converter`. It reads the source and never changes it. The core passes the
    paths of the files to write, and verifies the finished dataset.
    """
    return ()


@hookspec
def nnplug_extractors() -> Iterable[ExtractorComponent]:
    """Offer extractors, which measure the `Fingerprint` of a dataset.

    A target satisfies `nnplug.contracts.Extractor`. It may read every training case but writes nothing; the
    core stores the fingerprint.
    """
    return ()


@hookspec
def nnplug_planners() -> Iterable[PlannerComponent]:
    """Offer planners, which turn a fingerprint into `Plans`.

    A target satisfies `nnplug.contracts.Planner`. Planning is a pure function: the same fingerprint, dataset
    description and options give the same plans on every machine. No network is built.
    """
    return ()


@hookspec
def nnplug_preprocessors() -> Iterable[PreprocessorComponent]:
    """Offer ways from an image to the network's grid and intensities, and from logits back to the image.

    A target satisfies `nnplug.contracts.Preprocessor`. The core reads, checks and stores; which part of an image is
    kept, on which grid and with which interpolation is the preprocessor's decision. Keep torch out of the target's
    module level: preprocessing imports it.
    """
    return ()


@hookspec
def nnplug_resamplers() -> Iterable[ResamplerComponent]:
    """Offer resamplers, which bring images and label maps to the grid of the plans.

    A target satisfies `nnplug.contracts.Resampler`. Plans name one if the user does; otherwise the preprocessor
    uses its own. Keep torch out of the target's module level.
    """
    return ()


@hookspec
def nnplug_normalizers() -> Iterable[NormalizerComponent]:
    """Offer normalizers of the intensities of one channel.

    A target satisfies `nnplug.contracts.Normalizer`. The plans hold one name per channel; a planner chooses
    them from the channel's name in ``dataset.json``.
    """
    return ()


@hookspec
def nnplug_architectures() -> Iterable[ArchitectureComponent]:
    """Offer networks.

    A target satisfies `nnplug.contracts.TopologyArchitecture` or `PatchArchitecture`: it computes the size of feature
    maps for the planner, and builds the module for training and prediction. Do not import torch at the target's module
    level: planning imports the target.
    """
    return ()


@hookspec
def nnplug_augmenters() -> Iterable[AugmenterComponent]:
    """Offer augmenters, the random transforms of training patches.

    A target satisfies `nnplug.contracts.Augmenter`. All randomness comes from the generator that it receives.
    """
    return ()


@hookspec
def nnplug_samplers() -> Iterable[SamplerComponent]:
    """Offer samplers, which choose case and centre of every training patch.

    A target satisfies `nnplug.contracts.Sampler`. Plans name one if the user does; otherwise the trainer uses its own.
    All randomness comes from the generator that it receives.
    """
    return ()


@hookspec
def nnplug_losses() -> Iterable[LossComponent]:
    """Offer losses, which trainers minimise.

    A target satisfies `nnplug.contracts.Loss`. Plans name one if the user does; otherwise the trainer uses its own.
    """
    return ()


@hookspec
def nnplug_trainers() -> Iterable[TrainerComponent]:
    """Offer trainers.

    A target satisfies `nnplug.contracts.Trainer`. It receives everything that it uses: network, data, augmenter,
    device and output folder. It looks up no component by name and reads no environment variable.
    """
    return ()


@hookspec
def nnplug_inferences() -> Iterable[InferenceComponent]:
    """Offer inferences, which make the logits of a preprocessed image with a trained network.

    A target satisfies `nnplug.contracts.Inference`. The plans name one, and a model is shipped with its name; users
    can choose another for a prediction (``nnplug predict --inference NAME``). Validation uses that of the plans.
    """
    return ()


@hookspec
def nnplug_postprocessors() -> Iterable[PostprocessorComponent]:
    """Offer postprocessors, rules that are fitted on validation predictions and applied to label maps.

    A target satisfies `nnplug.contracts.Postprocessor`. A fitted rule is JSON and is stored with the model.
    """
    return ()


@hookspec
def nnplug_metrics() -> Iterable[MetricComponent]:
    """Offer metrics, which score a label map against its reference.

    A target satisfies `nnplug.contracts.Metric`. Users choose them by `nnplug evaluate --metrics NAME`; plans do not
    name them.
    """
    return ()


@hookspec
def nnplug_readers() -> Iterable[ReaderComponent]:
    """Offer readers, which read the image files of some formats and write label maps in them.

    A target satisfies `nnplug.contracts.Reader`. `dataset.json` names the reader of a dataset, or the endings of files
    select it; plans do not name readers. The target is made without options.
    """
    return ()


@hookspec
def nnplug_writers() -> Iterable[WriterComponent]:
    """Offer writers, which write predicted label maps in formats other than that of the image.

    A target satisfies `nnplug.contracts.Writer`. Users choose them by ``nnplug predict -ot NAME``; plans do not name
    writers.
    """
    return ()


@hookspec
def nnplug_trackers() -> Iterable[TrackerComponent]:
    """Offer trackers, which send parameters, epochs, pictures and the model of a training to a server or into files.

    A target satisfies `nnplug.contracts.Tracker`. Users choose them for each training by ``--tracker NAME``; plans do
    not name trackers. A tracker that fails costs a warning, never the training.
    """
    return ()


@hookspec
def nnplug_reporters() -> Iterable[ReporterComponent]:
    """Offer reporters, which write a report of a finished run for people to read.

    A target satisfies `nnplug.contracts.Reporter`. `nnplug run` calls every installed one at its end; plans do not name
    reporters. A reporter that fails costs a warning, never the run. The target is made without options.
    """
    return ()


@hookspec
def nnplug_hubs() -> Iterable[HubComponent]:
    """Offer hubs, places where models are shared.

    A target satisfies `nnplug.contracts.Hub`. Users name a model of a hub by ``-m NAME:REFERENCE``; plans do not name
    hubs. The target is made without options.
    """
    return ()


@hookspec
def nnplug_executors() -> Iterable[ExecutorComponent]:
    """Offer executors, which run jobs: on threads of this machine, on a cluster.

    A target satisfies `nnplug.contracts.Executor`. Executors are chosen for each command and are not part of plans,
    because results do not depend on them.
    """
    return ()


@hookspec
def nnplug_accelerators() -> Iterable[AcceleratorComponent]:
    """Offer accelerators, which build faster forms of networks for a device.

    A target satisfies `nnplug.contracts.Accelerator`. Before a network trains or predicts, the installed accelerators
    are tried in the order of their names; the first that returns a faster network is used. Plans do not name
    accelerators, because results depend on them only by rounding.
    """
    return ()


@hookspec
def nnplug_recipes() -> Iterable[Recipe]:
    """Offer recipes, named choices of components for ``--recipe``.

    A recipe may name components of other plugins. Planning expands it into the plans and does not read it again.
    The one with ``default=True`` is used if the user names none, and for kinds that other recipes leave out.
    """
    return ()


@hookspec
def nnplug_commands() -> Iterable[PluginCommand]:
    """Offer commands, which users call as ``nnplug NAME`` or ``nnplug PARENT NAME``.

    A target is a click command or group. It is imported when a user calls it; ``nnplug --help`` lists name, summary and
    distribution. A command cannot have the name of one of nnplug's.
    """
    return ()
