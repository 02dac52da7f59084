"""Conversion of plans between nnU-Net v2 and nnplug."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile
from nnplug.io.readers import Readers
from nnplug.plans.fingerprint import IntensityStats
from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, inherit
from nnplug_nnunet.nnunet_models.networks import network_from_nnunet, network_to_nnunet
from nnplug_nnunet.nnunet_models.resampling import resampling_from_nnunet, resampling_to_nnunet
from nnplug_nnunet.nnunet_models.vocabulary import (
    NORMALIZERS,
    PREPROCESSOR,
    READERS,
    need,
    reverse,
    translate,
)


def plans_from_nnunet(raw: Mapping[str, Any], trained: str, where: str) -> tuple[Plans, list[str]]:
    """Return plans with every configuration that nnplug can represent.

    Args:
        raw: nnU-Net's `plans.json`.
        trained: the configuration that must be present.
        where: the file name for messages.

    Returns:
        The plans without providers, whose only choices are the preprocessor and a resampler that is not the default,
        and a line per omitted configuration.

    Raises:
        InvalidFile: a key is missing, or `trained` needs a feature that nnplug lacks.
    """
    configurations, resampler, notes = _configurations(raw, trained, where)
    properties = need(raw, "foreground_intensity_properties_per_channel", where)
    return Plans.from_data(
        {
            "schema": 1,
            "dataset": need(raw, "dataset_name", where),
            "name": need(raw, "plans_name", where),
            "recipe": "nnunet",
            "choices": {
                "preprocessor": {"name": PREPROCESSOR},
                **({"resampler": {"name": resampler.name}} if resampler else {}),
            },
            "transpose_forward": need(raw, "transpose_forward", where),
            "transpose_backward": need(raw, "transpose_backward", where),
            "median_spacing": need(raw, "original_median_spacing_after_transp", where),
            "median_shape": need(raw, "original_median_shape_after_transp", where),
            "intensity": {channel: _statistics(stats) for channel, stats in properties.items()},
            "configurations": {name: c.data() for name, c in configurations.items()},
        },
        where,
    ), notes


def plans_to_nnunet(
    plans: Plans, configurations: Sequence[str], description: DatasetDescription, *, planner: str = "ExperimentPlanner"
) -> dict[str, Any]:
    """Return nnU-Net's `plans.json` with some configurations.

    Args:
        plans: nnplug's plans.
        configurations: the configurations to include.
        description: the `dataset.json`.
        planner: nnU-Net's name of the planner.

    Raises:
        InvalidFile: nnU-Net v2 lacks the preprocessor or the resampler, or the network or a normalizer of a
            configuration.
    """
    chosen = plans.choices.get("preprocessor")
    if chosen is not None and (chosen.name != PREPROCESSOR or chosen.options):
        raise InvalidFile(f"plans {plans.name!r}: preprocessor {chosen.name!r} {chosen.options or ''} is not nnU-Net's")
    return {
        "dataset_name": plans.dataset,
        "plans_name": plans.name,
        "original_median_spacing_after_transp": list(plans.median_spacing),
        "original_median_shape_after_transp": list(plans.median_shape),
        "image_reader_writer": _reader(plans, description),
        "transpose_forward": list(plans.transpose_forward),
        "transpose_backward": list(plans.transpose_backward),
        "configurations": {name: _configuration_to_nnunet(name, plans, configurations) for name in configurations},
        "experiment_planner_used": planner,
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {c: stats.data() for c, stats in plans.intensity.items()},
    }


def _configurations(
    raw: Mapping[str, Any], trained: str, where: str
) -> tuple[dict[str, Configuration], Choice | None, list[str]]:
    """Return the configurations with the trained one's resampler, the resampler, and a line per other configuration."""
    theirs = need(raw, "configurations", where)
    read: dict[str, tuple[Configuration, Choice | None]] = {}
    notes: list[str] = []
    for name in {trained: None, **theirs}:
        place = f"{where}: configuration {name!r}"
        try:
            read[name] = _configuration(inherit(theirs, name, where), place)
        except InvalidFile as error:
            if name == trained:
                raise
            notes.append(f"left out ({error})")
    resampler = read[trained][1]
    others = [name for name, (_, chosen) in read.items() if chosen != resampler]
    notes += [
        f"left out ({where}: configuration {name!r}: another function resamples than {trained!r})" for name in others
    ]
    return {name: read[name][0] for name in theirs if name in read and name not in others}, resampler, notes


def _configuration(theirs: Mapping[str, Any], where: str) -> tuple[Configuration, Choice | None]:
    resampling, resampler = resampling_from_nnunet(theirs, where)
    data = {
        "spacing": need(theirs, "spacing", where),
        "patch_size": need(theirs, "patch_size", where),
        "batch_size": need(theirs, "batch_size", where),
        "median_shape": need(theirs, "median_image_size_in_voxels", where),
        "normalization": [n.data() for n in _normalization(theirs, where)],
        "resampling": resampling.data(),
        "batch_dice": need(theirs, "batch_dice", where),
        "architecture": network_from_nnunet(theirs, where).data(),
        "next_stage": _next_stage(theirs),
        "previous_stage": theirs.get("previous_stage"),
    }
    return Configuration.from_data(data, where), resampler


def _normalization(theirs: Mapping[str, Any], where: str) -> tuple[Normalization, ...]:
    schemes = need(theirs, "normalization_schemes", where)
    masks = need(theirs, "use_mask_for_norm", where)
    return tuple(
        Normalization(name=translate(NORMALIZERS, scheme, where, "the normalisation"), use_mask=bool(mask))
        for scheme, mask in zip(schemes, masks, strict=True)
    )


def _next_stage(theirs: Mapping[str, Any]) -> str | None:
    """Return the name of the next stage; if nnU-Net lists several, the first."""
    stages = theirs.get("next_stage")
    return stages if isinstance(stages, str) or not stages else str(stages[0])


def _statistics(stats: Mapping[str, float]) -> dict[str, float]:
    return {key: stats[key] for key in IntensityStats.__struct_fields__ if key in stats}


def described_reader(
    raw: Mapping[str, Any], description: DatasetDescription, readers: Readers, where: str
) -> DatasetDescription:
    """Return the `dataset.json` with the reader that nnU-Net's plans name, by which nnU-Net reads images.

    The description is unchanged if both name the same reader.

    Args:
        raw: nnU-Net's `plans.json`.
        description: the `dataset.json`.
        readers: the installed readers.
        where: the file name of the plans for messages.

    Raises:
        InvalidFile: no installed reader stands for the name in the plans.
        AmbiguousComponent: several do.
    """
    name = str(need(raw, "image_reader_writer", where))
    ending = description.file_ending
    planned = readers.for_dataset(name, ending, f"{where}: image_reader_writer")
    own = description.readers(readers, where)
    chosen = own.entry(Path(f"image{ending}")).component
    if planned.preferred == own.preferred or (description.reader is None and chosen.reads_as(name, ending)):
        return description
    return replace(description, raw={**description.raw, "overwrite_image_reader_writer": name})


def _reader(plans: Plans, description: DatasetDescription) -> str:
    if (chosen := description.reader) is not None:
        return READERS.get(chosen, chosen)
    if description.file_ending in (".tif", ".tiff") and plans.median_shape[0] > 1:
        return "Tiff3DIO"
    if description.file_ending == ".nii":
        return "NibabelIO"
    return "NaturalImage2DIO" if description.file_ending in (".png", ".bmp", ".tif", ".tiff") else "SimpleITKIO"


def _configuration_to_nnunet(name: str, plans: Plans, written: Sequence[str]) -> dict[str, Any]:
    ours, where = plans.configuration(name), f"configuration {name!r}"
    return {
        "data_identifier": f"{plans.name}_{plans.store_name(name)}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": ours.batch_size,
        "patch_size": list(ours.patch_size),
        "median_image_size_in_voxels": list(ours.median_shape),
        "spacing": list(ours.spacing),
        "normalization_schemes": [_scheme(n, where) for n in ours.normalization],
        "use_mask_for_norm": [n.use_mask for n in ours.normalization],
        **resampling_to_nnunet(ours.resampling, plans.choices.get("resampler"), f"plans {plans.name!r}"),
        "architecture": network_to_nnunet(ours.architecture, ours.dimensions, where),
        "batch_dice": ours.batch_dice,
        **({"previous_stage": ours.previous_stage} if ours.previous_stage else {}),
        **({"next_stage": ours.next_stage} if ours.next_stage in written else {}),
    }


def _scheme(ours: Normalization, where: str) -> str:
    if ours.options:
        raise InvalidFile(f"{where}: nnU-Net v2's normalisations have no options; {ours.name!r} has {ours.options}")
    return reverse(NORMALIZERS, ours.name, where, "the normalizer")
