"""Each deliberately broken component is caught by the check that is made for its fault, and by no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnplug.registry.components import Entry, Kind, Registry, Source
from nnplug.registry.entries import COMPONENTS
from nnplug.registry.loader import Plugins
from nnplug.testing import State, checks

HERE = Path(__file__).parent
USES, LEARNS, TWICE, KILL, LOG = (
    "uses the cases",
    "lowers the loss on classes that are easy to separate",
    "trains the same twice",
    "goes on after any kill",
    "writes a log that others read",
)
MEMORY = "shows the memory of its steps"
ADAPTED = "decides alike in every fold"
UNLABELLED = "trains with and without images that have no label map"
GRADIENTS = {f"sends gradients to all parameters of a {axes}D network" for axes in (2, 3)}
SAME_GRADIENTS = {f"has the same gradients in {axes}D" for axes in (2, 3)}
TOGETHER = {f"moves image and label together in {axes}D" for axes in (2, 3)}
PREVIOUS = {f"takes a previous stage in {axes}D" for axes in (2, 3)}
THERE_AND_BACK, NEXT_STAGE = "takes a label map there and back", "hands label maps to the next stage"
PLACES = {f"gives each voxel its own logits in {axes}D" for axes in (2, 3)}
MIRRORED = {f"averages mirror images in {axes}D" for axes in (2, 3)}
REPORTS = {f"reports as often as it says in {axes}D" for axes in (2, 3)}
TWICE_ALIKE = "gives the same twice"
BACK = "reads the label maps that it writes"
RNG, ORDER = "draws from the rng alone", "gives results in the order of the items"
SCALAR = {f"is a finite scalar with a gradient in {axes}D" for axes in (2, 3)}
RIGHT = {f"is lower for the right {outputs}" for outputs in ("classes", "regions")}
RESUMES = "resumes after the last epoch"
ONE_REPORT = "writes one file into the folder of the dataset"
EVERY_REPORT = {ONE_REPORT, "replaces its report", "takes a run without validation"}
FINDS, TURNS, ONE_FILE = (
    "finds the images of a folder",
    "turns images of a folder",
    "writes its files alone and leaves the image",
)
TRACKS = {
    "takes a training from its begin to its end",
    "takes epochs without validation",
    RESUMES,
    "survives a kill",
    "records a training anew",
    "draws no random numbers",
}
SAME_PLACES, OWN_VALUES = "leaves structures where they are", "gives values that the label map has"
ALIKE = {
    "resamples images, label maps and shapes alike",
    "gives the same twice",
    "leaves its arguments as they are",
    "works in other processes",
}
NAMES, SHARES = "names the files of a case", "adds cases to shared files"
ELSEWHERE = ("replaces files as a whole", "works in other processes")
IGNORED, SHARED = "does not count ignored voxels", "is that of the whole batch on every device"

BROKEN = {
    (Kind.TRAINER, "AddsNoise"): {USES, LEARNS, "uses the augmenter", "takes a previous stage"},
    (Kind.TRAINER, "ReadsAll"): {USES},
    (Kind.TRAINER, "GuessesLabels"): {USES, LEARNS},
    (Kind.TRAINER, "Climbs"): {LEARNS},
    (Kind.TRAINER, "NoAugmentation"): {"uses the augmenter"},
    (Kind.TRAINER, "OtherMirrors"): {"uses the augmenter"},
    (Kind.TRAINER, "IgnoresPrevious"): {"takes a previous stage"},
    (Kind.TRAINER, "IgnoresUnlabelled"): {UNLABELLED},
    (Kind.TRAINER, "DimsUnlabelled"): {UNLABELLED},
    (Kind.TRAINER, "RehearsesOnePatch"): {MEMORY},
    (Kind.TRAINER, "MirrorsByFold"): {ADAPTED},
    (Kind.TRAINER, "DecidesUnasked"): {"says in its entry what its class can do"},
    (Kind.TRAINER, "NoLog"): {LOG},
    (Kind.TRAINER, "ForeignLog"): {LOG},
    (Kind.TRAINER, "ForgetsMomentum"): {KILL},
    (Kind.TRAINER, "CountsFromStart"): {KILL},
    (Kind.TRAINER, "TornState"): {KILL},
    (Kind.TRAINER, "DeletesState"): {KILL},
    (Kind.TRAINER, "FinishesEarly"): {KILL},
    (Kind.TRAINER, "RepeatsLog"): {KILL},
    (Kind.TRAINER, "Restless"): {TWICE, KILL},
    (Kind.ARCHITECTURE, "Adrift"): GRADIENTS,
    (Kind.ARCHITECTURE, "Idle"): GRADIENTS,
    (Kind.ARCHITECTURE, "Blind"): GRADIENTS,
    (Kind.ARCHITECTURE, "Unseeded"): {"is initialised by torch's seed"},
    (Kind.ARCHITECTURE, "Split"): {"predicts the same with its last layer apart"},
    (Kind.ARCHITECTURE, "Unmeasured"): {"counts its feature maps"},
    (Kind.ACCELERATOR, "Rounds"): {f"predicts the same in {axes}D" for axes in (2, 3)},
    (Kind.ACCELERATOR, "Freezes"): SAME_GRADIENTS,
    (Kind.ACCELERATOR, "Renames"): {"keeps the parameters for training", *SAME_GRADIENTS},
    (Kind.ACCELERATOR, "Copies"): {"keeps the parameters for training"},
    (Kind.AUGMENTER, "FlipsImageAlone"): TOGETHER,
    (Kind.AUGMENTER, "ShiftsLabel"): TOGETHER,
    (Kind.AUGMENTER, "LeavesPrevious"): PREVIOUS,
    (Kind.AUGMENTER, "DrawsFromNumpy"): {RNG},
    (Kind.AUGMENTER, "DrawsFromPython"): {RNG},
    (Kind.AUGMENTER, "DrawsFromTorch"): {RNG},
    (Kind.AUGMENTER, "DrawsUnseeded"): {RNG},
    (Kind.AUGMENTER, "Counts"): {RNG},
    (Kind.AUGMENTER, "ShiftsMasked"): {"keeps masked channels 0"},
    (Kind.LOSS, "PerSample"): SCALAR | {*RIGHT, "takes batches of one class", IGNORED, "is the same twice", SHARED},
    (Kind.LOSS, "Backwards"): RIGHT,
    (Kind.LOSS, "CountsIgnored"): {IGNORED},
    (Kind.LOSS, "DividesByForeground"): {"takes batches of one class", IGNORED},
    (Kind.LOSS, "Detached"): SCALAR,
    (Kind.LOSS, "InPlace"): {"is the same twice", IGNORED},
    (Kind.LOSS, "ForgetsOthers"): {SHARED},
    (Kind.SAMPLER, "Outside"): {"places patches in its cases"},
    (Kind.SAMPLER, "AllCases"): {"draws from the cases that it was given"},
    (Kind.SAMPLER, "Unseeded"): {RNG},
    (Kind.SAMPLER, "TakesTurns"): {RNG},
    (Kind.SAMPLER, "OneCase"): {RNG},
    (Kind.SAMPLER, "NeedsForeground"): {"takes cases without foreground"},
    (Kind.NORMALIZER, "IgnoresMask"): {"looks inside the mask alone"},
    (Kind.NORMALIZER, "LeavesOutside"): {"normalises inside a mask"},
    (Kind.NORMALIZER, "Levels"): {"normalises a whole image"},
    (Kind.NORMALIZER, "Noisy"): {"normalises a whole image", "looks inside the mask alone"},
    (Kind.PREPROCESSOR, "ShiftsLabel"): {THERE_AND_BACK, NEXT_STAGE},
    (Kind.PREPROCESSOR, "InPlace"): {"prepares an image with its label map"},
    (Kind.PREPROCESSOR, "InventsLabels"): {"prepares an image with its label map", THERE_AND_BACK, NEXT_STAGE},
    (Kind.PREPROCESSOR, "LooksAtLabel"): {"prepares without a label map alike", NEXT_STAGE},
    (Kind.PREPROCESSOR, "ForgetsLabels"): {"stores the way back as JSON"},
    (Kind.PREPROCESSOR, "Overconfident"): {"gives probabilities on the image's grid"},
    (Kind.PREPROCESSOR, "Local"): {"works in other processes"},
    (Kind.PREPROCESSOR, "OtherShape"): {NEXT_STAGE},
    (Kind.RESAMPLER, "Swaps"): {SAME_PLACES},
    (Kind.RESAMPLER, "InventsLabels"): {OWN_VALUES, SAME_PLACES},
    (Kind.RESAMPLER, "InPlace"): {"leaves its arguments as they are"},
    (Kind.RESAMPLER, "Noisy"): {"gives the same twice", "works in other processes"},
    (Kind.RESAMPLER, "Doubles"): {*ALIKE, OWN_VALUES, SAME_PLACES},
    (Kind.RESAMPLER, "Brightens"): {"keeps a constant image"},
    (Kind.RESAMPLER, "Local"): {"works in other processes"},
    (Kind.INFERENCE, "Unmirrored"): MIRRORED,
    (Kind.INFERENCE, "NotMirroredBack"): {*PLACES, *MIRRORED},
    (Kind.INFERENCE, "Moves"): {*PLACES, *MIRRORED},
    (Kind.INFERENCE, "Half"): {*PLACES, *MIRRORED, *REPORTS, TWICE_ALIKE, "leaves the image as it is"},
    (Kind.INFERENCE, "Silent"): REPORTS,
    (Kind.INFERENCE, "Noisy"): {TWICE_ALIKE},
    (Kind.INFERENCE, "InPlace"): {"leaves the image as it is"},
    (Kind.INFERENCE, "OtherSlabs"): {"gives slabs of the same logits"},
    (Kind.POSTPROCESSOR, "Invents"): {"leaves an empty label map empty"},
    (Kind.POSTPROCESSOR, "Relabels"): {"applies its rule to a copy"},
    (Kind.POSTPROCESSOR, "Wavers"): {"applies its rule to a copy"},
    (Kind.METRIC, "Constant"): {"tells right from wrong"},
    (Kind.METRIC, "ConstantUnranked"): {"tells right from wrong"},
    (Kind.METRIC, "Inverted"): {"ranks what is right first"},
    (Kind.METRIC, "CountsIgnored"): {"does not count ignored voxels"},
    (Kind.PLANNER, "IgnoresBudget"): {"keeps to its budget"},
    (Kind.PLANNER, "IgnoresFingerprint"): {"plans from the fingerprint"},
    (Kind.PLANNER, "TakesFlatAsDeep"): {"plans 2D images"},
    (Kind.PLANNER, "Stubborn"): {"keeps what was chosen"},
    (Kind.PLANNER, "MisstatesBudget"): {"states its budget", "keeps to its budget"},
    (Kind.CONVERTER, "Paints"): {"reads the files of its source"},
    (Kind.CONVERTER, "TakesAnything"): {"refuses a folder of another kind"},
    (Kind.CONVERTER, "Moves"): {"converts its example into a sound dataset"},
    (Kind.EXTRACTOR, "NeverReads"): {"reads every case"},
    (Kind.EXTRACTOR, "ReadsHeaders"): {"reads every case"},
    (Kind.EXTRACTOR, "SkipsLast"): {"reads every case"},
    (Kind.POSTPROCESSOR, "ListsByFigure"): {"fits by a figure that the user names"},
    (Kind.EXTRACTOR, "Touches"): {"measures a dataset and writes nothing"},
    (Kind.READER, "SwapsAxes"): {BACK, "keeps the geometry", "reads the geometry alone", "writes images"},
    (Kind.READER, "LosesLargeLabels"): {BACK},
    (Kind.READER, "ForgetsSpacing"): {"keeps the geometry"},
    (Kind.READER, "Guesses"): {"reads the geometry alone"},
    (Kind.READER, "InPlace"): {"replaces files as a whole"},
    (Kind.READER, "Secretive"): {"declares the files that it writes"},
    (Kind.READER, "Trusting"): {"names damaged files"},
    (Kind.READER, "Anonymous"): {"names damaged files"},
    (Kind.READER, "Local"): {"works in other processes"},
    (Kind.READER, "Rounds"): {"writes images"},
    (Kind.READER, "OneId"): {FINDS, TURNS},
    (Kind.READER, "OtherFolder"): {FINDS},
    (Kind.READER, "AlwaysFinds"): {"finds nothing in other folders"},
    (Kind.READER, "NeverTurns"): {TURNS},
    (Kind.READER, "AlwaysTurns"): {TURNS},
    (Kind.READER, "TrustingFolders"): {"names damaged files of a folder"},
    (Kind.READER, "NamesNoFiles"): {"names the files of an image", "names damaged files of a folder"},
    (Kind.WRITER, "Silent"): {"takes its example"},
    (Kind.WRITER, "Scatters"): {ONE_FILE},
    (Kind.WRITER, "Scribbles"): {ONE_FILE},
    (Kind.WRITER, "Empties"): {"writes the label map"},
    (Kind.WRITER, "NeedsForeground"): {"writes a label map of background"},
    (Kind.WRITER, "InPlace"): {"replaces files as a whole"},
    (Kind.WRITER, "Local"): {"works in other processes"},
    (Kind.WRITER, "OneFolder"): {NAMES},
    (Kind.WRITER, "Outside"): {NAMES, ONE_FILE},
    (Kind.WRITER, "Omits"): {ONE_FILE, "writes the label map", "writes a label map of background", *ELSEWHERE},
    (Kind.WRITER, "Hides"): {ONE_FILE},
    (Kind.WRITER, "ForgetsCases"): {SHARES},
    (Kind.WRITER, "RepeatsCases"): {SHARES},
    (Kind.WRITER, "SharesLess"): {SHARES, ONE_FILE},
    (Kind.REPORTER, "Tidies"): {ONE_REPORT, "replaces its report"},
    (Kind.REPORTER, "Elsewhere"): EVERY_REPORT,
    (Kind.REPORTER, "Piles"): {"replaces its report"},
    (Kind.REPORTER, "NeedsScores"): {"takes a run without validation"},
    (Kind.REPORTER, "Nothing"): EVERY_REPORT,
    (Kind.HUB, "TakesAnything"): {"refuses an empty reference", "refuses a reference to nothing"},
    (Kind.HUB, "TakesNothing"): {"refuses an empty reference"},
    (Kind.HUB, "Raises"): {"refuses an empty reference", "refuses a reference to nothing"},
    (Kind.TRACKER, "Forgets"): {RESUMES},
    (Kind.TRACKER, "Mixes"): {"records a training anew"},
    (Kind.TRACKER, "PacksModel"): {"takes a training from its begin to its end"},
    (Kind.TRACKER, "NeedsDice"): TRACKS,
    (Kind.TRACKER, "NeedsLoss"): {"takes epochs without validation"},
    (Kind.TRACKER, "Shuffles"): {"draws no random numbers"},
    (Kind.TRACKER, "CatchesSignals"): TRACKS,
    (Kind.TRACKER, "NoneAtFirst"): TRACKS,
    (Kind.EXECUTOR, "Drops"): {ORDER, "finishes the others where one fails, and names it"},
    (Kind.EXECUTOR, "Swallows"): {"finishes the others where one fails, and names it"},
    (Kind.EXECUTOR, "Mute"): {"relays what jobs report"},
}
"""Kind and class -> the checks that fail; a fault that two promises forbid is caught twice."""

FOLDER_READERS = ("OneId", "OtherFolder", "AlwaysFinds", "NeverTurns", "AlwaysTurns", "TrustingFolders", "NamesNoFiles")
FOLDERS = {
    "reads_folders": True,
    "endings": (),
    "reads_also": (".slices",),
    "label_ending": ".nii.gz",
    "has_sidecars": False,
    "writes_images": False,
}
DATASET_WRITERS = (
    "SoundDataset",
    "OneFolder",
    "Outside",
    "Omits",
    "Hides",
    "ForgetsCases",
    "RepeatsCases",
    "SharesLess",
)
FLAGS = {
    Kind.ARCHITECTURE: {"takes_topology": True},
    Kind.AUGMENTER: {"takes_previous_stage": True},
    Kind.LOSS: {"takes_several_devices": True},
    Kind.PLANNER: {"plans_for_memory": True},
    Kind.PREPROCESSOR: {"takes_previous_stage": True},
    Kind.READER: {"endings": (".npy",), "has_sidecars": True, "writes_images": True},
    Kind.TRAINER: {"takes_previous_stage": True},
    Kind.WRITER: {"ending": ".npy"},
    **{(Kind.WRITER, name): {"ending": "", "writes_dataset": True} for name in DATASET_WRITERS},
    **{(Kind.READER, name): FOLDERS for name in ("SoundFolders", *FOLDER_READERS)},
    (Kind.ARCHITECTURE, "Split"): {"has_linear_head": True},
    (Kind.INFERENCE, "OtherSlabs"): {"gives_slabs": True},
    (Kind.POSTPROCESSOR, "ListsByFigure"): {"fits_by_figure": True},
    **{(Kind.TRAINER, f"{what}Unlabelled"): {"takes_unlabelled": True} for what in ("Reads", "Ignores", "Dims")},
    **{(Kind.TRAINER, name): {"rehearses": True} for name in ("Rehearsed", "RehearsesOnePatch")},
    (Kind.TRAINER, "MirrorsByFold"): {"adapts": True},
}
"""Kind, or kind and class -> what its entry says besides."""


@pytest.fixture
def verdicts(monkeypatch):
    """`verdicts(kind, name)`: check -> verdict of a class of the module `broken_components.KIND`, of chosen checks."""
    monkeypatch.syspath_prepend(HERE)
    registry = Plugins().registry

    def run(kind, name, chosen=lambda check: True):
        flags = {**FLAGS.get(kind, {}), **FLAGS.get((kind, name), {})}
        component = COMPONENTS[kind]("broken", f"broken_components.{kind}:{name}", "", **flags)
        entry = Entry(component, Source("broken", "nnplug-broken", "1.0"))
        found = checks(entry, Registry([*registry, entry]))
        return {
            check.name: check.verdict() for check in found if check.name != "imports no torch" and chosen(check.name)
        }

    return run


@pytest.mark.parametrize(("kind", "name"), BROKEN, ids=str)
def test_a_broken_component_is_caught_by_the_check_for_its_fault(verdicts, kind, name):
    found = verdicts(kind, name, BROKEN[kind, name].__contains__)
    assert set(found) == BROKEN[kind, name]
    assert {check: verdict.state for check, verdict in found.items()} == dict.fromkeys(found, State.FAILED)
    assert all(verdict.reason for verdict in found.values())


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(*key, marks=[pytest.mark.slow] if key[0] is Kind.TRAINER else [], id="-".join(map(str, key)))
        for key in BROKEN
    ],
)
def test_no_other_check_fails(verdicts, kind, name):
    found = verdicts(kind, name, lambda check: check not in BROKEN[kind, name])
    assert {check: verdict.reason for check, verdict in found.items() if verdict.state is State.FAILED} == {}


@pytest.mark.parametrize("kind", list(Kind))
def test_the_sound_component_that_they_are_made_of_passes(verdicts, kind):
    found = verdicts(kind, "Sound")
    assert {check: v.reason for check, v in found.items() if v.state is State.FAILED} == {}


def test_a_sound_writer_of_datasets_passes(verdicts):
    found = verdicts(Kind.WRITER, "SoundDataset")
    assert {check: v.reason for check, v in found.items() if v.state is not State.PASSED} == {}


def test_a_sound_reader_of_folders_passes(verdicts):
    found = verdicts(Kind.READER, "SoundFolders")
    assert {check: v.reason for check, v in found.items() if v.state is State.FAILED} == {}
    assert found[FINDS].state is found[TURNS].state is State.PASSED


def test_a_trainer_that_reads_images_without_label_maps_passes(verdicts):
    assert verdicts(Kind.TRAINER, "ReadsUnlabelled", {UNLABELLED}.__contains__)[UNLABELLED].state is State.PASSED


def test_a_trainer_that_shows_its_memory_passes(verdicts):
    assert verdicts(Kind.TRAINER, "Rehearsed", {MEMORY}.__contains__)[MEMORY].state is State.PASSED


@pytest.mark.parametrize(
    ("kind", "name", "check", "reason"),
    [
        (Kind.TRAINER, "StartsAnew", KILL, "a short training leaves no state.pt on its way"),
        (Kind.TRAINER, "Sound", MEMORY, "it does not rehearse"),
        (Kind.TRAINER, "Sound", ADAPTED, "it decides nothing from the cases"),
        (Kind.TRAINER, "Sound", UNLABELLED, "it takes no images without label maps"),
        (Kind.AUGMENTER, "Still", "changes with the rng", "16 generators gave the same result"),
        (Kind.AUGMENTER, "Still", "augments batches in 3D", "it augments no batches"),
        (Kind.LOSS, "NoRegions", "is lower for the right regions", "it refuses these labels: this loss has no regions"),
        (Kind.NORMALIZER, "Open", "looks inside the mask alone", "zeroes_outside_mask is False"),
        (Kind.INFERENCE, "Sound", "gives slabs of the same logits", "its entry does not say gives_slabs=True"),
        (Kind.ARCHITECTURE, "Sound", "predicts the same with its last layer apart", "it offers no split_head"),
    ],
)
def test_what_could_not_be_tried_is_skipped_with_the_reason(verdicts, kind, name, check, reason):
    (verdict,) = verdicts(kind, name, {check}.__contains__).values()
    assert verdict.state is State.SKIPPED
    assert verdict.reason.startswith(reason)
