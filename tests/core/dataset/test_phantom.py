from __future__ import annotations

import numpy as np
import pytest

from nnplug.dataset.case_files import image_cases
from nnplug.dataset.phantom import BODY, CAP, SHAPE, make_case, write_phantom
from nnplug.io.images import read_image, read_label
from nnplug.preparation.verify import verify
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.runtime.seeds import generator

SMALL = (16, 20, 16)


def dice_of_best_threshold(values, target) -> float:
    """Of all intensity ranges between 200 quantiles, the Dice of the best."""
    edges = np.quantile(values, np.linspace(0, 1, 201))
    inside, hits = (np.concatenate([[0], np.histogram(part, edges)[0].cumsum()]) for part in (values, values[target]))
    low, high = np.triu_indices(201, 1)
    return float((2 * (hits[high] - hits[low]) / (inside[high] - inside[low] + target.sum())).max())


@pytest.fixture(scope="module")
def cases():
    """Images normalised as networks see them (N, 2, z, y, x), and labels (N, z, y, x)."""
    made = [make_case(generator(0, number), SHAPE) for number in range(8)]
    images = np.stack([image for image, _ in made]).astype(float)
    images -= images.mean(axis=(2, 3, 4), keepdims=True)
    return images / images.std(axis=(2, 3, 4), keepdims=True), np.stack([label for _, label in made])


@pytest.mark.parametrize("value", [BODY, CAP])
@pytest.mark.parametrize("channel", [0, 1])
def test_no_threshold_segments_the_phantom(cases, value, channel):
    images, labels = cases
    assert dice_of_best_threshold(images[:, channel].ravel(), (labels == value).ravel()) < 0.6


def test_both_parts_are_there_and_touch(cases):
    for label in cases[1]:
        body, cap = label == BODY, label == CAP
        assert min(body.sum(), cap.sum()) > 300
        assert any((np.roll(cap, step, axis) & body).any() for axis in range(3) for step in (-1, 1))


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path):
    def contents(name, seed):
        write_phantom(tmp_path / name, cases=2, unseen=1, seed=seed, shape=SMALL)
        return {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}

    first, second, other = contents("a", 1), contents("b", 1), contents("c", 2)
    assert first == second
    assert len(first) == 3 * 3 + 1
    images = [name for name in first if name.parent.name.startswith("images")]
    assert all(first[name] != other[name] for name in images)


def test_a_phantom_is_a_faultless_dataset(tmp_path):
    dataset = write_phantom(tmp_path / "Dataset999_Phantom", cases=3, unseen=2, shape=SMALL)
    report = verify(dataset, executor=LocalExecutor(1), progress=Silent())
    assert (report.problems, report.warnings, report.cases) == ((), (), 3)
    (unseen, _) = image_cases(dataset.folder / "imagesTs", ".nii.gz")
    image = read_image(unseen.images)
    assert image.array.shape == (2, *SMALL)
    assert image.geometry.spacing == pytest.approx((1.2, 1.0, 1.0))
    assert read_label(dataset.folder / "labelsTs" / f"{unseen.name}.nii.gz").array.shape == SMALL
