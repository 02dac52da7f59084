import json

import numpy as np
import pytest

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile, MissingProvider, UnknownComponent
from nnplug.evaluation.evaluate import evaluate
from nnplug.evaluation.postprocess import FittedRule, apply, fit
from nnplug.io.images import read_label
from nnplug.plans.plans import Choice
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent

RUN = {"executor": LocalExecutor(1), "progress": Silent()}
LARGEST = Choice(name="largest-component")


def fitted(folder, choice=LARGEST):
    description = DatasetDescription.read(folder / "dataset.json")
    paths = (folder / "labels", folder / "predictions", description)
    return fit(*paths, Runtime(Plugins(), LocalExecutor(1)), choice=choice)


@pytest.mark.parametrize("name", ["ignore", "islands-everywhere", "islands-of-one", "regions", "scattered"])
def test_decision_and_result_are_nnunets(shared, tmp_path, name):
    folder = shared / "reference" / "postprocess" / name
    record = fitted(folder)
    record.write(tmp_path / "rule.json")
    expected = json.loads((folder / "expected" / "postprocessing.json").read_text())["arguments"]
    wanted = [a["labels_or_regions"] for a in expected]
    assert record.rule == {"keep_largest": [v if isinstance(v, list) else [v] for v in wanted]}
    rule = FittedRule.load(
        json.loads((tmp_path / "rule.json").read_text()), Plugins(), where="rule.json", progress=Silent()
    )
    apply(folder / "predictions", tmp_path / "out", rule, **RUN)
    for file in (folder / "expected" / "postprocessed").iterdir():
        ours, theirs = read_label(tmp_path / "out" / file.name), read_label(file)
        assert np.array_equal(ours.array, theirs.array)
        assert ours.geometry == theirs.geometry
    theirs = json.loads((folder / "expected" / "summary_postprocessed.json").read_text())
    description = DatasetDescription.read(folder / "dataset.json")
    ours = evaluate(folder / "labels", tmp_path / "out", description, **RUN)
    assert ours["foreground_mean"] == pytest.approx(theirs["foreground_mean"], nan_ok=True)


def test_rules_that_cannot_be_applied_are_named(shared):
    folder = shared / "reference" / "postprocess" / "regions"
    with pytest.raises(UnknownComponent, match="largest-component"):
        fitted(folder, Choice(name="largest-componen"))
    data = fitted(folder).data()

    def load(data, block=()):
        return FittedRule.load(data, Plugins(block=block), where="rule.json", progress=Silent())

    with pytest.raises(InvalidFile, match=r"rule.json: postprocessing rule has schema 9"):
        load({**data, "schema": 9})
    with pytest.raises(MissingProvider, match="rule.json: this postprocessing rule needs postprocessor 'largest-c"):
        load(data, block=["nnunet"])
    with pytest.raises(InvalidFile, match="rule.json: rule .* is no rule of largest-component; fit it again"):
        load({**data, "rule": {"other": 1}})(np.zeros((1, 2, 2), np.int16), (1, 1, 1))
