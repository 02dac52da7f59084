"""Components that raise in the middle of a command: named with case and distribution, and nothing else is harmed."""

from __future__ import annotations

import re
import textwrap

import pytest
from click.testing import CliRunner

from nnplug import CaseStore
from nnplug.dataset.phantom import write_phantom
from nnplug_cli.main import main

TINY = {
    "planner.base_features": 4,
    "planner.max_features": 8,
    "plan.patch_size": "[16,16,16]",
    "plan.batch_size": 2,
    "trainer.epochs": 1,
    "trainer.iterations_per_epoch": 2,
    "trainer.val_iterations_per_epoch": 1,
}
HEAD = """
import numpy as np
from nnplug_nnunet.architectures import PlainConvUNet
from nnplug_nnunet.augmentation import NnunetAugmenter
from nnplug_nnunet.extractor import NnunetExtractor
from nnplug_nnunet.normalizers import ZScore
from nnplug_nnunet.planning import NnunetPlanner
from nnplug_nnunet.training.trainer import NnUNetTrainer
"""
OFFER = """
@hookimpl
def nnplug_{kind}s():
    yield {name}Component("shaky-{kind}", "fake_nnplug_shaky:{name}", "may break"{flags})

class {name}({base}):
{methods}
"""
POSTPROCESSOR = """
def fit(self, cases, labels, *, executor, progress):
    return {"a": 1}
def apply(self, label_map, rule, *, spacing, labels):
    return label_map.copy()
"""
METRIC = """
figures, ranked = ("odd",), {}
def measure(self, reference, prediction, labels, *, spacing):
    return {key: {"odd": 1.0} for key in labels.keys}
"""
FLAGS = {
    "Architecture": ", takes_topology=True, has_linear_head=True",
    "Augmenter": ", augments_batches=True",
    "Trainer": ", extends_runs=True",
}
"""The part of an entry that says what the class can do besides."""
SOUND = {
    "Extractor": ("NnunetExtractor", "pass"),
    "Planner": ("NnunetPlanner", "pass"),
    "Normalizer": ("ZScore", "pass"),
    "Architecture": ("PlainConvUNet", "pass"),
    "Augmenter": ("NnunetAugmenter", "pass"),
    "Trainer": ("NnUNetTrainer", "pass"),
    "Postprocessor": ("object", POSTPROCESSOR),
    "Metric": ("object", METRIC),
}


def module(broken="", methods=""):
    """A plugin of eight components; one of them may have other methods than it should."""
    parts = [HEAD]
    for name, (base, own) in SOUND.items():
        inside = textwrap.indent(own + "\n" + (methods if name == broken else ""), "    ")
        parts.append(OFFER.format(kind=name.lower(), name=name, base=base, methods=inside, flags=FLAGS.get(name, "")))
    return "".join(parts)


@pytest.fixture
def shaky(install):
    """`shaky("Normalizer", "def normalize(..): ..")` installs the plugin anew, broken in one place, or sound."""

    def put(name="", methods=""):
        install("nnplug-shaky", "shaky", module(name, methods))

    return put


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("raw") / "Dataset900_Tiny", cases=5, unseen=0, shape=(24, 24, 24))


@pytest.fixture
def run(raw, tmp_path):
    def run(*words, until="train"):
        settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
        where = ["-w", str(tmp_path / "work"), "-c", "3d_fullres", "-f", "0", "--device", "cpu", "--until", until]
        return CliRunner().invoke(main, ["run", str(raw.folder), *where, *settings, *words])

    return run


def the_error(done):
    """The only line, which no traceback surrounds."""
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    return line


AUGMENT = """
def bind(self, context):
    inner = super().bind(context)
    class Bound:
        source_patch_size = inner.source_patch_size
        def __call__(self, image, label, rng, *, previous=None):
            {action}
    return Bound()
"""
NORMALIZATION = (
    '--set=plan.normalization=[{"name":"shaky-normalizer","use_mask":false},{"name":"zscore","use_mask":false}]'
)
SICK = "phantom_002"
NORMALIZE = """
def normalize(self, image, mask, intensity):
    if abs(float(image.max()) - {value}) < 1e-3:
        {action}
    return super().normalize(image, mask, intensity)
"""


def normalizer_that(action, raw):
    """The source of a normalizer that does so with one case, which it knows by its brightest voxel."""
    from nnplug.io.images import read_image

    case = next(case for case in raw.training_cases() if case.name == SICK)
    return NORMALIZE.format(action=action, value=float(read_image([case.images[0]]).array.max()))


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (
            "{}['key']",
            r"normalizer 'shaky-normalizer' from nnplug-shaky 1\.0 failed: KeyError: 'key' \(fake_nnplug_shaky",
        ),
        ("raise SystemExit(3)", r"normalizer 'shaky-normalizer' from nnplug-shaky 1\.0 failed: SystemExit: 3"),
        ("return None", r"normalizer 'shaky-normalizer' from nnplug-shaky 1\.0 gave NoneType instead of numpy.ndarray"),
        ("return image[1:]", r"normalizer 'shaky-normalizer' from nnplug-shaky 1\.0 gave shape \(23, 24, 24\)"),
    ],
)
def test_a_normalizer_fails_for_one_case_and_the_others_are_kept(shaky, run, raw, tmp_path, action, reason):
    shaky("Normalizer", normalizer_that(action, raw))
    done = run(NORMALIZATION, until="preprocess")
    assert re.match(rf"error: preprocess of {SICK}: {reason}", the_error(done))
    store = CaseStore(tmp_path / "work/Dataset900_Tiny/preprocessed/nnunet_3d_fullres")
    assert sorted(store) == ["phantom_000", "phantom_001", "phantom_003", "phantom_004"]

    shaky()  # mended
    assert run(NORMALIZATION, until="preprocess").exit_code == 0
    assert len(store) == 5


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("raise MemoryError('for 9 GB')", r"ran out of memory \(for 9 GB\); close other programs, or take --workers 1"),
        ("open('/no/atlas.nii')", "failed: /no/atlas.nii: No such file or directory"),
        ("raise OSError(28, 'No space left on device')", "failed: No space left on device. Free some space, then run"),
    ],
)
def test_what_a_component_lacks_is_told_with_its_name_and_the_case(shaky, run, raw, action, reason):
    shaky("Normalizer", normalizer_that(action, raw))
    done = run(NORMALIZATION, until="preprocess")
    who = r"normalizer 'shaky-normalizer' from nnplug-shaky 1\.0"
    assert re.match(rf"error: preprocess of {SICK}: {who} {reason}", the_error(done))


def test_the_memory_that_an_augmenter_lacks_is_told_with_the_case(shaky, run):
    shaky("Augmenter", AUGMENT.format(action="raise MemoryError"))
    line = the_error(run("--augmenter", "shaky-augmenter"))
    who = r"augmenter 'shaky-augmenter' from nnplug-shaky 1\.0"
    assert re.search(rf"fold 0: case 'phantom_00\d': {who} ran out of memory; close other programs", line)


def test_the_traceback_of_a_worker_is_shown_on_request(shaky, raw, tmp_path, run):
    shaky("Normalizer", normalizer_that("{}['key']", raw))
    run(NORMALIZATION, until="preprocess")
    words = ["preprocess", str(raw.folder), "-w", str(tmp_path / "work"), "-c", "3d_fullres"]
    done = CliRunner().invoke(main, ["-v", *words])
    assert "in normalize" in done.stderr
    assert "{}['key']" in done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_augmenter_that_fails_in_a_loading_thread_is_named_with_the_case(shaky, run, tmp_path, workers):
    shaky("Augmenter", AUGMENT.format(action="raise IndexError('no such channel')"))
    done = run("--augmenter", "shaky-augmenter", "--workers", workers)
    assert re.match(
        r"error: train of 3d_fullres fold 0: case 'phantom_00\d': augmenter 'shaky-augmenter' from nnplug-shaky 1\.0 "
        r"failed: IndexError: no such channel \(fake_nnplug_shaky\.py, line \d+\)\. Run: nnplug plugins check ",
        the_error(done),
    )
    fold = next((tmp_path / "work").rglob("fold_0"))
    assert not list(fold.glob("weights_*")), "nothing half-written"
    shaky()
    assert run("--augmenter", "shaky-augmenter").exit_code == 0
    assert (fold / "weights_final.safetensors").is_file()


def test_an_augmenter_that_gives_another_shape_is_named(shaky, run):
    shaky("Augmenter", AUGMENT.format(action="return image, label"))
    line = the_error(run("--augmenter", "shaky-augmenter"))
    assert re.search(
        r"case 'phantom_00\d': .*augmenter 'shaky-augmenter' from nnplug-shaky 1\.0 gave an image of \(25, 25, 25\)"
        r" voxels",
        line,
    )


def test_a_network_that_fails_in_training_is_named_and_not_the_trainer(shaky, run):
    build = """
def build(self, *, channels, outputs):
    network = super().build(channels=channels, outputs=outputs)
    def forward(x):
        raise ValueError("no way")
    network.forward = forward
    return network
"""
    shaky("Architecture", build)
    line = the_error(run("--architecture", "shaky-architecture"))
    assert "fold 0: architecture 'shaky-architecture' from nnplug-shaky 1.0 failed: ValueError: no way (fake_" in line


@pytest.mark.parametrize(
    ("kind", "name", "method", "reason"),
    [
        ("extractor", "Extractor", "def extract(self, dataset, *, executor, progress): return None", "gave NoneType"),
        (
            "extractor",
            "Extractor",
            "def extract(self, dataset, *, executor, progress): list(executor.map(len, [3], stage='s'))",
            "failed: TypeError: object of type 'int' has no len()",
        ),
        ("planner", "Planner", "def plan(self, fingerprint, description, context): return {}", "gave dict instead of"),
        ("planner", "Planner", "def plan(self, fingerprint, description, context): 1 / 0", "failed: ZeroDivisionError"),
        ("architecture", "Architecture", "def check_patch(self, patch_size): [][1]", "failed: IndexError: list index"),
        (
            "architecture",
            "Architecture",
            "def feature_map_elements(self, patch_size, *, channels, heads): [][1]",
            "failed: IndexError",
        ),
    ],
)
def test_what_fails_before_preprocessing_leaves_no_plans(shaky, run, tmp_path, kind, name, method, reason):
    shaky(name, method)
    line = the_error(run(f"--{kind}", f"shaky-{kind}", until="plan"))
    assert f"{kind} 'shaky-{kind}' from nnplug-shaky 1.0 {reason}" in line
    assert not list((tmp_path / "work").rglob("plans/*"))


@pytest.mark.parametrize(
    ("name", "method", "reason"),
    [
        ("Trainer", "def train(self, task): [][1]", "trainer 'shaky-trainer' from nnplug-shaky 1.0 failed: IndexError"),
        ("Trainer", "def mirror_axes(self, dimensions): raise OverflowError('x')", "failed: OverflowError: x (fake_"),
        ("Trainer", "def train(self, task): raise SystemExit(0)", "failed: SystemExit: 0"),
    ],
)
def test_a_trainer_that_fails_is_named(shaky, run, tmp_path, name, method, reason):
    shaky(name, method)
    line = the_error(run("--trainer", "shaky-trainer"))
    assert line.startswith("error: train of 3d_fullres fold 0: trainer 'shaky-trainer' from nnplug-shaky 1.0 failed: ")
    assert reason in line
    assert not list((tmp_path / "work").rglob("weights_*"))


def label_maps(raw):
    folder = str(raw.folder / "labelsTr")
    return ["-r", folder, "-p", folder, "--dataset-json", str(raw.folder / "dataset.json")]


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("def measure(self, reference, prediction, labels, *, spacing): [][1]", "failed: IndexError"),
        ("def measure(self, reference, prediction, labels, *, spacing): return 3", "gave int instead of"),
    ],
)
def test_a_metric_that_fails_leaves_no_summary(shaky, raw, tmp_path, method, reason):
    shaky("Metric", method)
    words = [*label_maps(raw), "-o", str(tmp_path / "summary.json"), "--metrics", "shaky-metric"]
    done = CliRunner().invoke(main, ["evaluate", *words])
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.exit_code == 1
    assert len(lines) == 5, "a line per case"
    assert all(f"metric 'shaky-metric' from nnplug-shaky 1.0 {reason}" in line for line in lines)
    assert lines[0].startswith("error: evaluate of phantom_000.nii.gz: ")
    assert not (tmp_path / "summary.json").exists()


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("def fit(self, cases, labels, *, executor, progress): [][1]", "failed: IndexError"),
        ("def fit(self, cases, labels, *, executor, progress): return 3", "gave int instead of"),
    ],
)
def test_a_postprocessor_that_cannot_be_fitted_leaves_no_rule(shaky, raw, tmp_path, method, reason):
    shaky("Postprocessor", method)
    words = [*label_maps(raw), "-o", str(tmp_path / "rule.json"), "--postprocessor", "shaky-postprocessor"]
    line = the_error(CliRunner().invoke(main, ["postprocess", "fit", *words]))
    assert f"postprocessor 'shaky-postprocessor' from nnplug-shaky 1.0 {reason}" in line
    assert not (tmp_path / "rule.json").exists()


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("def apply(self, label_map, rule, *, spacing, labels): return label_map[1:]", "gave a label map of shape"),
        ("def apply(self, label_map, rule, *, spacing, labels): return None", "gave NoneType instead of"),
        ("def apply(self, label_map, rule, *, spacing, labels): [][1]", "failed: IndexError"),
    ],
)
def test_a_postprocessor_that_fails_is_named_with_the_file(shaky, raw, tmp_path, method, reason):
    shaky()
    words = [*label_maps(raw), "-o", str(tmp_path / "rule.json"), "--postprocessor", "shaky-postprocessor"]
    assert CliRunner().invoke(main, ["postprocess", "fit", *words]).exit_code == 0
    shaky("Postprocessor", method)
    words = ["-i", str(raw.folder / "labelsTr"), "-o", str(tmp_path / "out"), "--rule", str(tmp_path / "rule.json")]
    done = CliRunner().invoke(main, ["postprocess", "apply", *words])
    assert done.exit_code == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 5
    assert all(f"postprocessor 'shaky-postprocessor' from nnplug-shaky 1.0 {reason}" in line for line in lines)
    assert not list(tmp_path.glob("out/[!.]*"))


@pytest.mark.slow
def test_an_augmenter_that_fails_in_a_training_process_is_named_as_in_a_thread(shaky, run, tmp_path):
    shaky("Augmenter", AUGMENT.format(action="raise IndexError('no such channel')"))
    line = the_error(run("--augmenter", "shaky-augmenter", "--devices", "2"))
    assert re.search(
        r"case 'phantom_00\d': augmenter 'shaky-augmenter' from nnplug-shaky 1\.0 failed: IndexError", line
    )
    assert not list((tmp_path / "work").rglob("weights_*"))
