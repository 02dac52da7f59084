"""A third party's package, from `nnplug plugins new` to a wheel, a training, and the error when it is gone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nnplug.dataset.phantom import write_phantom

GUIDE = Path(__file__).parents[2] / "docs" / "write-a-plugin.md"
MINE = {"planner": "my-lab", "architecture": "my-lab-unet", "trainer": "my-lab"}
TINY = {
    "plan.patch_size": "[16,16,16]",
    "plan.batch_size": 2,
    "trainer.epochs": 1,
    "trainer.iterations_per_epoch": 2,
    "trainer.val_iterations_per_epoch": 1,
}


@pytest.fixture
def dataset(tmp_path):
    """A phantom dataset of few and small cases, one of them unseen."""
    return write_phantom(tmp_path / "Dataset900_Tiny", cases=5, unseen=1, shape=(24, 24, 24)).folder


def wheel(environment, folder):
    """The wheel of the package that `nnplug plugins new my-lab` writes."""
    environment.expect("nnplug", "plugins", "new", "my-lab", "-o", folder / "source")
    environment.expect("pip", "wheel", "-q", "-w", folder, folder / "source")
    return next(folder.glob("nnplug_my_lab-0.1.0-*.whl"))


def train(environment, dataset, workspace):
    """Train two iterations with the package's components; gives the bundle."""
    choices = [word for kind, name in MINE.items() for word in (f"--{kind}", name)]
    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    where = ["-w", workspace, "-c", "3d_fullres", "-f", "0", "--device", "cpu", "--no-mirroring", "--json"]
    outcome = environment.expect("nnplug", "run", dataset, *where, *choices, *settings)
    return Path(json.loads(outcome)["bundles"]["3d_fullres"])


def offers(environment):
    components = json.loads(environment.expect("nnplug", "components", "--json"))
    return {c["kind"]: c["name"] for c in components if c["distribution"] == "nnplug-my-lab" and c["kind"] in MINE}


@pytest.mark.slow
def test_a_wheel_is_listed_trained_with_and_asked_for_when_it_is_gone(environment, dataset, tmp_path):
    assert offers(environment) == {}
    environment.expect("pip", "install", "-q", wheel(environment, tmp_path))
    assert offers(environment) == MINE

    bundle = train(environment, dataset, tmp_path / "work")
    predict = ["nnplug", "predict", "-i", dataset / "imagesTs", "-m", bundle, "--device", "cpu", "--no-mirroring"]
    environment.expect(*predict, "-o", tmp_path / "predictions")
    assert [path.name for path in (tmp_path / "predictions").glob("*.nii.gz")] == ["phantom_005.nii.gz"]

    environment.expect("pip", "uninstall", "-q", "-y", "nnplug-my-lab")
    done = environment.run(*predict, "-o", tmp_path / "none")
    assert done.returncode == 1
    assert done.stderr == (
        "error: this model needs architecture 'my-lab-unet' from nnplug-my-lab 0.1.0, which is not installed. "
        "Run: pip install 'nnplug-my-lab==0.1.0'\n"
    )
    assert not list(tmp_path.glob("none/*.nii.gz"))


KINDS = ("trainer", "planner", "architecture", "augmenter", "postprocessor", "normalizer")
LESSONS = re.split(r"^## Lesson \d: ", GUIDE.read_text(), flags=re.MULTILINE)[1:]


class Guide:
    """The page, followed lesson by lesson: every command in order, every file written where it says.

    `# trainer.py` at the beginning of a block is the name of its file.
    """

    def __init__(self, folder, environment):
        self.folder, self.environment = folder, environment
        self.printed: list[str] = []
        self.files: set[str] = set()

    def follow(self, lesson):
        """Follow the page up to a lesson, counted from 1; return what the commands of that lesson print."""
        while len(self.printed) < lesson:
            self.printed.append(self._follow(LESSONS[len(self.printed)]))
        return self.printed[lesson - 1]

    def _follow(self, text):
        package, printed = self.folder / "nnplug-my-lab" / "src" / "nnplug_my_lab", ""
        for language, block in re.findall(r"```(sh|python)\n(.*?)```", text, re.DOTALL):
            if language == "sh":
                printed += self.environment.expect("bash", "-euo", "pipefail", "-c", block, cwd=self.folder)
            else:
                name = re.match(r"# (\w+\.py)\n", block)[1]
                (package / name).write_text(block)
                self.files.add(name)
        return printed


@pytest.fixture(scope="module")
def guide(tmp_path_factory, new_environment):
    folder = tmp_path_factory.mktemp("guide")
    return Guide(folder, new_environment(folder / "environment"))


def test_the_guide_has_six_lessons():
    assert len(LESSONS) == 6


def test_lesson_1_makes_a_package_that_is_listed(guide):
    printed = guide.follow(1)
    assert {line.split()[0] for line in printed.splitlines() if "nnplug-my-lab 0.1.0" in line} >= {"planner", "trainer"}


def test_lessons_2_and_3_write_components_of_six_kinds(guide):
    guide.follow(2)
    assert {"trainer.py", "planner.py", "augmenter.py"} <= guide.files
    guide.follow(3)
    assert guide.files == {*(f"{kind}.py" for kind in KINDS), "network.py"}
    code = "; ".join(f"import nnplug_my_lab.{file.removesuffix('.py')}" for file in sorted(guide.files))
    guide.environment.expect("python", "-c", code)


def test_lesson_4_offers_them(guide):
    listed = [line.split() for line in guide.follow(4).splitlines() if "nnplug-my-lab 0.1.0" in line]
    assert {words[0] for words in listed} >= {*KINDS, "recipe"}


@pytest.mark.slow  # tests/cli/test_plugins_new_kinds.py checks what `plugins new` writes
def test_lesson_5_checks_them(guide):
    assert "my-lab keeps its contract: 0 failed" in guide.follow(5)


@pytest.mark.slow
def test_lesson_6_trains_and_predicts_with_them(guide):
    guide.follow(6)
    assert list(guide.folder.glob("postprocessed/*.nii.gz"))
    plans = json.loads((guide.folder / "work/Dataset900_Phantom/plans/my-lab.json").read_text())
    ours = {line["kind"] for line in plans["providers"] if line["distribution"] == "nnplug-my-lab"}
    assert ours == set(KINDS), "the model is made of the page's components"
