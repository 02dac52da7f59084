"""The contract between the core and its plugins: every hook, one page.

A plugin is a module named by an entry point in the group ``nnplug``. It implements any of the hooks below
with ``@nnplug.hookimpl``. Every hook is a *registration* hook: the core calls it once per process, without
arguments, and takes back an iterable of frozen entries. Nothing in the call may read data, touch a device
or import a deep-learning library; an entry says where its implementation is, and the core imports that
when somebody chooses it by name.

Rules for all hooks:

* A hook returns entries of its own class (`nnplug_trainers`: `nnplug.TrainerComponent`). The fields of an entry say
  what its implementation can do beyond the contract; the core never looks for methods that no entry promises.
* An entry's name is what users type and what plans and weights record. Names are lower-case words joined by
  hyphens, unique within a hook; start them with the plugin's own name (``brats``, ``brats-aggressive``).
* Two distributions that offer one name: using it is an error that names both, never a silent override.
  The order of installation has no meaning.
* A name, once released, keeps its meaning. Change behaviour under a new name, or raise ``state_version``
  where old weights can no longer be loaded.
* An implementation asks only for the arguments it wants, so a hook can gain arguments without breaking it.

What each kind's target must do is in `nnplug.contracts`, a Protocol per kind, and in ``docs/hooks/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nnplug.registry.components import Recipe
    from nnplug.registry.entries import (
        AcceleratorComponent,
        ArchitectureComponent,
        AugmenterComponent,
        ConverterComponent,
        ExecutorComponent,
        ExtractorComponent,
        MetricComponent,
        NormalizerComponent,
        PlannerComponent,
        PostprocessorComponent,
        PreprocessorComponent,
        TrainerComponent,
    )

PROJECT = "nnplug"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def nnplug_converters() -> Iterable[ConverterComponent]:
    """Offer ways to turn folders of other layouts into datasets.

    A target satisfies `nnplug.contracts.Converter`. It reads the source and never touches it; the core gives it the
    paths of the files to write, and verifies the finished dataset.
    """
    return ()


@hookspec
def nnplug_extractors() -> Iterable[ExtractorComponent]:
    """Offer ways to measure a dataset into a `Fingerprint`.

    A target satisfies `nnplug.contracts.Extractor`. It may read every training case but writes nothing; the
    core stores what it returns.
    """
    return ()


@hookspec
def nnplug_planners() -> Iterable[PlannerComponent]:
    """Offer rules that turn a fingerprint into `Plans`.

    A target satisfies `nnplug.contracts.Planner`. Planning is a pure function: the same fingerprint, dataset
    description and options give the same plans, on every machine, without a network being built.
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
def nnplug_normalizers() -> Iterable[NormalizerComponent]:
    """Offer intensity normalisations of one channel.

    A target satisfies `nnplug.contracts.Normalizer`. The plans hold one name per channel; a planner chooses
    them from the channel's name in ``dataset.json``.
    """
    return ()


@hookspec
def nnplug_architectures() -> Iterable[ArchitectureComponent]:
    """Offer networks.

    A target satisfies `nnplug.contracts.TopologyArchitecture` or `PatchArchitecture`: it counts feature maps by
    arithmetic for the planner and builds the module when training or prediction asks. Keep torch out of the target's
    module level: planning imports it.
    """
    return ()


@hookspec
def nnplug_augmenters() -> Iterable[AugmenterComponent]:
    """Offer the random transforms of training patches.

    A target satisfies `nnplug.contracts.Augmenter`. All randomness comes from the generator that it is given.
    """
    return ()


@hookspec
def nnplug_trainers() -> Iterable[TrainerComponent]:
    """Offer training procedures.

    A target satisfies `nnplug.contracts.Trainer`. It is given everything it uses: network, data, augmenter,
    device and output folder. It looks up no names and reads no environment variable.
    """
    return ()


@hookspec
def nnplug_postprocessors() -> Iterable[PostprocessorComponent]:
    """Offer rules that are fitted on validation predictions and applied to label maps.

    A target satisfies `nnplug.contracts.Postprocessor`. What fitting returns is JSON and travels with the model.
    """
    return ()


@hookspec
def nnplug_metrics() -> Iterable[MetricComponent]:
    """Offer ways to score a label map against its reference.

    A target satisfies `nnplug.contracts.Metric`. Users choose them by `nnplug evaluate --metrics NAME`; plans do not
    name them.
    """
    return ()


@hookspec
def nnplug_executors() -> Iterable[ExecutorComponent]:
    """Offer places where jobs run: threads of this machine, a cluster.

    A target satisfies `nnplug.contracts.Executor`. Executors are chosen for each command and are no part of plans:
    results do not depend on them.
    """
    return ()


@hookspec
def nnplug_accelerators() -> Iterable[AcceleratorComponent]:
    """Offer faster forms of networks for a device.

    A target satisfies `nnplug.contracts.Accelerator`. Every accelerator that is installed is tried, in the order of
    names, before a network trains or predicts; the first that has something to gain is taken. Plans do not name them:
    results do not depend on them but for rounding.
    """
    return ()


@hookspec
def nnplug_recipes() -> Iterable[Recipe]:
    """Offer named choices of components, a word for ``--recipe``.

    A recipe may name components of other plugins. It is expanded into the plans when planning and never read again.
    The one with ``default=True`` is taken where the user names none, and for kinds that other recipes leave out.
    """
    return ()
