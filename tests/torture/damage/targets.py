"""What is damaged, and which commands read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from tests.torture.damage.archives import damage_checkpoint, damage_member, damage_npy, damage_safetensors, damage_zip
from tests.torture.damage.images import damage_image
from tests.torture.damage.scene import ENDINGS, FOLD, NAME, RUNS, SMALL, STORE
from tests.torture.damage.text import damage_json, damage_json_lines, damage_table

Damage = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Target:
    """A file of the scene and the commands that read it.

    Attributes:
        kind: the name of the group in the table.
        file: the file, in the scene.
        damage: makes the content.
        commands: command lines; one is drawn for each input. They write to `out` only, or to the workspace.
        named: parts of words of which one must be in the message; empty: the name of the file.
        sealed: whether the file is one of a bundle, whose hash is made right again.
    """

    kind: str
    file: str
    damage: Damage
    commands: Sequence[str]
    named: tuple[str, ...] = ()
    sealed: bool = False


def targets() -> list[Target]:
    """Return every target."""
    return [*_images(), *_datasets(), *_workspace(), *_stored(), *_runs(), *_models(), *_results(), *_nnunet()]


def formats() -> list[Target]:
    """Return the targets that need no trained model, with the commands that need none."""
    own = (target for target in targets() if target.file.startswith("formats/"))
    alone = [replace(one, commands=tuple(line for line in one.commands if "rule.json" not in line)) for one in own]
    return [target for target in alone if target.commands]


RAW = f"raw/{NAME}"
DATA = f"{RAW} -w w"
PREDICT = f"nnplug predict --device cpu --no-mirroring -i {RAW}/imagesTs -o out -m"
TRAIN = f"nnplug train {DATA} -c 3d_fullres -f 0 --device cpu --no-mirroring"
LONGER = f"{TRAIN} --set trainer.epochs=2"
AGAIN = f"{TRAIN} --fresh --pretrained"


def _images() -> Iterable[Target]:
    for ending in ENDINGS:
        place = f"formats/{ending[1:]}/Dataset001_Format"
        damage = partial(damage_image, ending=ending)
        kind = f"image {ending}"
        first = (f"nnplug verify {place}", f"nnplug fingerprint {place} -w out")
        drawn = f"nnplug overlay -i {place}/imagesTr -l {place}/predictions -o out"
        named = (f"/b{ending}", f"b_0000{ending}", "of b:", "case 'b'", "b.png")
        yield Target(kind, f"{place}/imagesTr/b_0000{ending}", damage, (*first, drawn), named)
        scored = f"nnplug evaluate -r {place}/labelsTr -p {place}/predictions -o out/summary.json"
        yield Target(kind, f"{place}/labelsTr/b{ending}", damage, (first[0], scored), named)
        kept = f"nnplug postprocess apply -i {place}/predictions -o out --rule rule.json"
        yield Target(kind, f"{place}/predictions/b{ending}", damage, (scored, drawn, kept), named)
    read = (f"{PREDICT} bundle", f"{PREDICT} {FOLD}")
    for channel in range(2):
        yield Target(
            "image, predict",
            f"{RAW}/imagesTs/phantom_004_000{channel}.nii.gz",
            partial(damage_image, ending=".nii.gz"),
            read,
            ("phantom_004",),
        )


def _datasets() -> Iterable[Target]:
    commands = (f"nnplug verify {RAW}", f"nnplug fingerprint {RAW} -w out", f"nnplug plan {DATA}", TRAIN)
    yield Target("dataset.json", f"{RAW}/dataset.json", damage_json, (*commands, f"nnplug preprocess {DATA}"))
    for ending in ("nii", "png", "tif"):
        place = f"formats/{ending}/Dataset001_Format"
        yield Target("dataset.json", f"{place}/dataset.json", damage_json, (f"nnplug verify {place}",))
    scored = "nnplug evaluate -r formats/nii/Dataset001_Format/labelsTr -p formats/nii/Dataset001_Format/predictions"
    yield Target(
        "dataset.json", "formats/nii/Dataset001_Format/predictions/dataset.json", damage_json,
        (f"{scored} -o out/summary.json",),
    )  # fmt: skip
    yield Target("dataset.json", "pred/dataset.json", damage_json, ("nnplug ensemble -i pred soft -o out",))
    convert = ("nnplug dataset convert msd msd/Task99_Phantom out/Dataset001_A",)
    yield Target(
        "dataset.json", "msd/Task99_Phantom/dataset.json", damage_json, convert, ("dataset.json", "Task99", "case")
    )


def _workspace() -> Iterable[Target]:
    place = f"w/{NAME}"
    files = f"--fingerprint {place}/fingerprint.json --dataset-json {RAW}/dataset.json"
    both = (f"nnplug plan {DATA}", f"nnplug plan {files} -o out/p.json")
    yield Target("fingerprint", f"{place}/fingerprint.json", damage_json, both)
    yield Target("splits", f"{place}/splits.json", damage_json, (f"nnplug split {DATA}", LONGER, TRAIN))
    yield Target(
        "splits", f"{place}/splits.json", damage_json, (f"nnplug split {RAW} -w out --file {place}/splits.json",)
    )
    yield Target(
        "sources",
        f"{place}/sources.json",
        damage_json,
        (f"nnplug run {DATA} -c 3d_fullres --until plan {' '.join(SMALL)}",),
        ("sources.json",),
    )
    plans = (
        f"nnplug preprocess {DATA}",
        TRAIN,
        LONGER,
        f"nnplug plan {DATA} --from {place}/plans/nnunet.json --name p",
    )
    yield Target("plans", f"{place}/plans/nnunet.json", damage_json, plans)
    yield Target(
        "group table", "groups.csv", damage_table, (f"nnplug split {RAW} -w out --folds 2 --groups groups.csv",)
    )


def _stored() -> Iterable[Target]:
    commands = (LONGER, f"nnplug preprocess {DATA}")
    for name, damage in (
        ("case.json", damage_json),
        ("image.npy", damage_npy),
        ("label.npy", damage_npy),
        ("voxels.npy", damage_npy),
    ):
        for case in ("phantom_000", "phantom_001"):
            yield Target("stored case", f"{STORE}/{case}/{name}", damage, commands, (case,))


def _runs() -> Iterable[Target]:
    readers = (
        TRAIN,
        LONGER,
        f"{PREDICT} {FOLD}",
        f"nnplug model export {RUNS} -o out/m.zip",
        f"nnplug model summary {FOLD}",
    )
    select = f"nnplug select {DATA} -c 3d_fullres --no-postprocessing"
    for name in ("run.json", "plans.json", "dataset.json"):
        yield Target(name if name == "run.json" else "plans", f"{FOLD}/{name}", damage_json, readers, (name, "fold_0"))
    yield Target("log", f"{FOLD}/log.jsonl", damage_json_lines, (TRAIN, LONGER, readers[3]), ("log.jsonl", "fold_0"))
    yield Target(
        "weights",
        f"{FOLD}/weights_final.safetensors",
        damage_safetensors,
        readers,
        ("weights_final", "fold_0", "check the weights"),
    )
    yield Target("training state", f"{FOLD}/state_final.pt", damage_checkpoint, (LONGER,), ("state_final", "fold_0"))
    validated = (TRAIN, select.replace(" --no-postprocessing", ""))
    yield Target("summary", f"{FOLD}/validation/summary.json", damage_json, validated, ("summary.json", "fold_0"))
    yield Target("logits", f"{FOLD}/validation/phantom_000.logits.zip", damage_zip, validated, ("phantom_000",))
    yield Target("settings", f"{FOLD}/validation/settings.json", damage_json, validated, ("settings.json", "fold_0"))


def _models() -> Iterable[Target]:
    commands = ("nnplug model show model.zip", "nnplug model import model.zip -o out/m", f"{PREDICT} model.zip")
    exported = "nnplug model export-nnunet model.zip -o out/m"
    yield Target("bundle", "model.zip", damage_zip, (*commands, exported, "nnplug ensemble -i pred soft -o out")[:4])
    for name in ("plans.json", "dataset.json", "bundle.json", "fold_0/weights.safetensors"):
        damage = partial(damage_member, name)
        show = ("nnplug model show bundle", f"{PREDICT} bundle", "nnplug model summary bundle", f"{AGAIN} bundle")
        yield Target(
            "bundle",
            f"bundle/{name}",
            damage,
            show,
            (name.split("/")[-1], "bundle", "check the weights"),
            sealed=name != "bundle.json",
        )


def _results() -> Iterable[Target]:
    yield Target("summary", "summary.json", damage_json, ("nnplug rank summary.json other.json",))
    references = "-i pred -o out --rule rule.json"
    yield Target("rule", "rule.json", damage_json, (f"nnplug postprocess apply {references}",))
    both = ("nnplug ensemble -i pred soft -o out",)
    yield Target("logits", "pred/phantom_004.logits.zip", damage_zip, both, ("phantom_004",))
    yield Target("probabilities", "soft/phantom_004.npz", damage_zip, both, ("phantom_004",))
    for name in ("predictions.jsonl", ".nnplug-outputs.jsonl"):
        again = f"{PREDICT} model.zip --save-logits --continue".replace("-o out", "-o pred")
        yield Target("log", f"pred/{name}", damage_json_lines, (again,), (name, "pred"))


def _nnunet() -> Iterable[Target]:
    read = "nnplug model import-nnunet nnunet -o out/m.zip"
    folder = f"nnUNetv2_predict_from_modelfolder -i {RAW}/imagesTs -o out -m nnunet -f 0 -device cpu --disable_tta"
    for name, damage in (("plans.json", damage_json), ("dataset.json", damage_json)):
        yield Target("nnU-Net's model", f"nnunet/{name}", damage, (read, folder), (name, "nnunet"))
    checkpoint = "nnunet/fold_0/checkpoint_final.pth"
    yield Target("nnU-Net's model", checkpoint, damage_checkpoint, (read, folder), ("checkpoint_final", "fold_0"))
