"""A preprocessor of another plugin, with information and an inverse of its own, from planning to an ensemble."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_geometry, read_label
from nnplug.workspace.case_store import CaseStore
from nnplug_cli.main import main

PLAIN = '''
    from dataclasses import dataclass
    import numpy as np
    from nnplug.contracts import Inverse
    from nnplug.workspace.case_store import Prepared

    @dataclass(frozen=True)
    class Plain:
        """The image upside down, neither cropped nor resampled; nothing of it is a CropInfo."""
        gain: float = 1.0

        def bind(self, context): return Bound(context, self.gain)
        def read_inverse(self, data): return Flipped(tuple(data["size"]))

    @dataclass(frozen=True)
    class Bound:
        context: object
        gain: float

        def prepare(self, image, spacing, label=None):
            mask = (image != 0).any(0)
            channels = [c.normalize(v, mask) for c, v in zip(self.context.channels, image.copy(), strict=True)]
            upside_down = np.stack(channels)[:, ::-1] * np.float32(self.gain)
            map_ = None if label is None else label[::-1].astype(np.int16)
            return Prepared(np.ascontiguousarray(upside_down), map_, {"size": list(mask.shape)})

        def inverse(self, info): return Flipped(tuple(info["size"]))

    @dataclass(frozen=True)
    class Flipped(Inverse):
        size: tuple[int, int, int]

        @property
        def shape(self): return self.size

        def label_map(self, planes, count, *, regions_class_order=None):
            assert regions_class_order is None
            return np.stack([plane.argmax(0).cpu().numpy().astype(np.uint8) for plane in planes])[::-1]

        def probability_planes(self, logits, *, regions):
            for plane in logits.unbind(1)[::-1]:
                yield plane.sigmoid() if regions else plane.softmax(0)

        def probabilities(self, logits, *, regions):
            whole = logits.flip(1)
            yield from (whole.sigmoid() if regions else whole.softmax(0)).cpu().numpy()

        def data(self): return {"size": list(self.size)}

    @hookimpl
    def nnplug_preprocessors():
        yield PreprocessorComponent("plain", "fake_nnplug_plain:Plain", "upside down", **{FLAGS})
'''
TINY = {
    "planner.base_features": 4,
    "planner.max_features": 8,
    "plan.patch_size": "[16,16,16]",
    "plan.batch_size": 2,
    "trainer.epochs": 1,
    "trainer.iterations_per_epoch": 1,
    "trainer.val_iterations_per_epoch": 1,
    "preprocessor.gain": 2,
}


@pytest.fixture
def nnplug(install, tmp_path):
    """`nnplug(word, ..)` runs the command with the plugin `plain`."""
    install("nnplug-plain", "plain", PLAIN.replace("{FLAGS}", "{}"))

    def run(*words, code=0):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done

    return run


@pytest.fixture
def dataset(tmp_path):
    return write_phantom(tmp_path / "Dataset900_Tiny", cases=5, unseen=1, shape=(20, 24, 22)).folder


def test_a_foreign_preprocessor_prepares_trains_predicts_and_averages(nnplug, dataset, tmp_path):
    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    where = ["-w", tmp_path / "work", "-c", "3d_fullres", "-f", "0", "--device", "cpu", "--json"]
    done = nnplug("run", dataset, *where, "--preprocessor", "plain", *settings)
    bundle = json.loads(done.stdout)["bundles"]["3d_fullres"]

    plans = json.loads((tmp_path / "work/Dataset900_Tiny/plans/nnunet.json").read_text())
    assert plans["choices"]["preprocessor"] == {"name": "plain", "options": {"gain": 2}}
    case = CaseStore(next((tmp_path / "work").rglob("preprocessed/*")))["phantom_000"]
    reference = read_label(dataset / "labelsTr" / "phantom_000.nii.gz").array
    assert case.info == {"size": list(reference.shape)}
    np.testing.assert_array_equal(case.label[...], reference[::-1])
    assert case.image[...].std() == pytest.approx(2, rel=0.2)  # z-score, times the option

    predict = ["predict", "-i", dataset / "imagesTs", "-m", bundle, "--device", "cpu", "--no-mirroring"]
    nnplug(*predict, "-o", tmp_path / "A", "--save-logits", "--save-probabilities")
    label = read_label(tmp_path / "A/phantom_005.nii.gz")
    assert label.geometry == read_geometry(dataset / "imagesTs/phantom_005_0000.nii.gz")
    probabilities = np.load(tmp_path / "A/phantom_005.npz")["probabilities"]
    np.testing.assert_array_equal(probabilities.argmax(0), label.array)
    assert len(np.unique(label.array)) > 1

    (tmp_path / "A/phantom_005.npz").unlink()
    with zipfile.ZipFile(tmp_path / "A/phantom_005.logits.zip") as archive:
        record = json.loads(archive.read("logits.json"))
    assert (record["schema"], record["preprocessor"]["options"]) == (2, {"gain": 2})
    nnplug("ensemble", "-i", tmp_path / "A", tmp_path / "A", "-o", tmp_path / "B")
    assert (read_label(tmp_path / "B/phantom_005.nii.gz").array == label.array).mean() > 0.999

    assert "nnplug-plain==1.0" in nnplug("model", "show", bundle, "--requirements").stdout
    for words in ([*predict, "-o", tmp_path / "C"], ["ensemble", "-i", tmp_path / "A", "-o", tmp_path / "D"]):
        refused = nnplug("-p", "no:plain", *words, code=1)
        assert "needs preprocessor 'plain' from nnplug-plain 1.0, which is blocked" in refused.stderr


def test_it_takes_no_part_in_a_cascade_unless_its_entry_says_so(nnplug, dataset, tmp_path):
    from nnplug.errors import Problems
    from nnplug.registry.entries import PreprocessorComponent
    from nnplug.training.previous_stage import check_takes_previous_stage

    class Job:
        configuration = "fine"

        class plans:
            @staticmethod
            def configuration(name):
                return type("C", (), {"previous_stage": "coarse"})

    with pytest.raises(Problems, match="preprocessor 'plain' does not say takes_previous_stage=True"):
        check_takes_previous_stage(Job, PreprocessorComponent("plain", "a:b", ""))


def test_an_option_that_it_does_not_have_is_refused_when_planning(nnplug, dataset, tmp_path):
    words = ["run", dataset, "-w", tmp_path / "w", "--until", "plan", "--preprocessor", "plain"]
    refused = nnplug(*words, "--set", "preprocessor.gian=2", code=1)
    assert "preprocessor 'plain' has no option 'gian'. Did you mean 'gain'?" in refused.stderr


LOGARITHM = """
    import numpy as np

    class Log:
        zeroes_outside_mask = False
        def __init__(self, offset: float = 1.0): self.offset = offset
        def normalize(self, image, mask, intensity): return np.log(np.abs(image) + np.float32(self.offset))

    @hookimpl
    def nnplug_normalizers(): yield NormalizerComponent("log", "fake_nnplug_log:Log", "logarithm")
    @hookimpl
    def nnplug_recipes(): yield Recipe("log", {"normalizer": "log"}, "logarithms", {"normalizer": {"offset": 8}})
"""


def test_options_of_normalizers_are_planned_checked_and_used(install, nnplug, dataset, tmp_path):
    install("nnplug-log", "log", LOGARITHM)
    plain = [word for key, value in TINY.items() if "gain" not in key for word in ("--set", f"{key}={value}")]
    words = ["run", dataset, "-w", tmp_path / "w", "-c", "3d_fullres", *plain]
    nnplug(*words, "--recipe", "log", "--until", "preprocess")
    plans = json.loads((tmp_path / "w/Dataset900_Tiny/plans/log.json").read_text())
    expected = {"name": "log", "use_mask": False, "options": {"offset": 8}}
    assert plans["configurations"]["3d_fullres"]["normalization"] == [expected] * 2
    store = CaseStore(next((tmp_path / "w").rglob("preprocessed/*")))
    assert min(float(case.image[...].min()) for case in store.values()) > 1  # log(8) is 2.1, log(1) is 0

    own = json.dumps([{**expected, "options": {"ofset": 1}}] * 2)
    refused = nnplug(*words, "--until", "plan", "--set", f"plan.normalization={own}", code=1)
    assert "normalizer 'log' has no option 'ofset'. Did you mean 'offset'?" in refused.stderr
