"""Write the model card of a bundle: README.md with front matter. Nothing is in it that the bundle does not say."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nnplug.models.ensemble_bundle import EnsembleBundle, members_of, requirements
from nnplug.words import by_axis
from nnplug_hub.reference import Reference

if TYPE_CHECKING:
    from nnplug.models.bundle import Bundle
    from nnplug.models.ensemble_bundle import AnyBundle

UNKNOWN = "not stated"
LICENCES = frozenset(
    ["apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "agpl-3.0", "lgpl-3.0", "cc0-1.0"]
    + [f"cc-by{kind}-{version}" for kind in ("", "-sa", "-nc", "-nd", "-nc-sa", "-nc-nd") for version in ("3.0", "4.0")]
)
"""The licences that the Hub knows by these names; others are "other" with their own text."""


def model_card(bundle: AnyBundle, reference: Reference, summary: Mapping[str, Any] | None = None) -> str:
    """Return the text of the card.

    Args:
        bundle: the verified bundle.
        reference: the model on the Hub.
        summary: the content of a `summary.json` with scores on cases of the user; None without scores.
    """
    model = members_of(bundle)[0]
    scores = list(_scores(bundle, model, summary))
    parts = [
        _front_matter(bundle, model, has_dice=bool(scores)),
        f"# {reference.repository.partition('/')[2]}",
        _usage(reference),
        _section("Intended use", _stated(model, "intended_use", "intendedUse")),
        _section("Data", "\n".join(_data(model))),
        _section("Licence", bundle.record.licence or UNKNOWN),
        _section("Model", "\n".join(_networks(bundle))),
        _section("Dice", "\n".join(scores) or UNKNOWN),
        _section("Citation", "\n\n".join(_citations(model))),
        _section("Requirements", "\n".join(f"- `{line}`" for line in requirements(bundle)) or UNKNOWN),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(bundle: AnyBundle, model: Bundle, *, has_dice: bool) -> str:
    lines = [
        "---",
        "library_name: nnplug",
        *_licence(bundle.record.licence),
        "pipeline_tag: image-segmentation",
        "tags:",
    ]
    dimensions = {model_.plans.configuration(model_.record.configuration).dimensions for model_ in members_of(bundle)}
    lines += [f"- {tag}" for tag in ("nnplug", "medical", *(f"{count}d" for count in sorted(dimensions)))]
    lines += [f"- {json.dumps(name)}" for name in dict.fromkeys(model.description.channel_names)]
    return "\n".join([*lines, *(["metrics:", "- dice"] if has_dice else []), "---"])


def _licence(licence: str | None) -> list[str]:
    if licence is None:
        return []
    known = re.sub(r"[\s_]+", "-", licence.strip().lower())
    if known in LICENCES:
        return [f"license: {known}"]
    return ["license: other", f"license_name: {json.dumps(re.sub(r'[^a-z0-9.-]+', '-', known).strip('-') or 'other')}"]


def _usage(reference: Reference) -> str:
    return (
        "A segmentation model of [nnplug](https://pypi.org/project/nnplug/), for research; it is no medical device.\n\n"
        f"```sh\npip install 'nnplug[hub]'\nnnplug predict -i IMAGES -o OUT -m {reference}\n```"
    )


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _stated(model: Bundle, *keys: str) -> str:
    """Return the text of the first of some keys that `dataset.json` has."""
    raw = model.description.raw
    return next((str(raw[key]).strip() for key in keys if str(raw.get(key) or "").strip()), UNKNOWN)


def _citations(model: Bundle) -> Iterator[str]:
    """Yield the citation of the dataset, and those of the pre-trained weights that the trainings started from."""
    yield _stated(model, "citation", "reference")
    starts = [run.get("pretrained") for run in model.record.record.values() if isinstance(run, dict)]
    papers = [paper for start in starts if isinstance(start, dict) for paper in start.get("citations", ())]
    if papers:
        yield "\n".join(["Of the pre-trained weights:", "", *(f"- {paper}" for paper in dict.fromkeys(papers))])


def _data(model: Bundle) -> Iterator[str]:
    description = model.description
    cases = {
        name
        for run in model.record.record.values()
        if isinstance(run, dict)
        for name in (*run.get("training", ()), *run.get("validation", ()))
    }
    yield f"- dataset: {model.plans.dataset}"
    yield f"- description: {_stated(model, 'description')}"
    yield f"- source: {_stated(model, 'reference')}"
    yield f"- channels: {', '.join(description.channel_names)}"
    yield f"- classes: {', '.join(description.labels.foreground_names)}"
    yield f"- training cases: {len(cases) or UNKNOWN}"


def _networks(bundle: AnyBundle) -> Iterator[str]:
    for member in members_of(bundle):
        own = member.plans.configuration(member.record.configuration)
        spacing = by_axis(own.spacing)
        patch = by_axis(own.patch_size)
        folds = ", ".join(member.record.folds)
        name = f"{member.record.configuration}: {own.architecture.name}"
        yield f"- {name}, folds {folds}, spacing {spacing} mm, patch {patch} voxels"


def _scores(bundle: AnyBundle, model: Bundle, summary: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the lines of the table of Dice: of the summary, or of the selection that an ensemble records."""
    if summary is not None:
        yield from ("| class | Dice |", "|---|---|")
        means = summary.get("mean", {})
        names = dict(zip(model.description.labels.keys, model.description.labels.foreground_names, strict=True))
        for label, figures in means.items():
            yield f"| {names.get(label, label)} | {_figure(figures.get('Dice'))} |"
        yield f"| mean | {_figure(summary.get('foreground_mean', {}).get('Dice'))} |"
    elif isinstance(bundle, EnsembleBundle) and bundle.record.record:
        yield from ("| candidate of the selection | mean Dice in cross-validation |", "|---|---|")
        for name, dice in bundle.record.record.items():
            yield f"| {name} | {_figure(dice)} |"


def _figure(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) and not math.isnan(value) else UNKNOWN
