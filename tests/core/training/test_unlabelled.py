"""Images without label maps: verified, preprocessed for trainers that take them, given to these, and recorded."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
import torch
from safetensors.torch import load_file

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.phantom import write_phantom
from nnplug.errors import NnplugError, Problems
from nnplug.pipeline.request import RunRequest, Step
from nnplug.pipeline.run import run
from nnplug.plans.plans import read_plans
from nnplug.preparation.plan_request import PlanRequest
from nnplug.preparation.preprocess import preprocess_dataset
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.files import remove_folder
from nnplug.training.job import TrainingJob
from nnplug.training.train import train
from nnplug.workspace.case_store import CaseStore
from nnplug.workspace.layout import Workspace
from nnplug.workspace.run_record import RunRecord
from nnplug.workspace.unlabelled import UnlabelledStore

SEMI = """
    from dataclasses import dataclass

    import torch

    from nnplug_nnunet.training.trainer import NnUNetTrainer


    @dataclass(frozen=True, kw_only=True)
    class Semi(NnUNetTrainer):
        def training_step(self, state, batch):
            state.zero_gradients()
            loss = state.supervised_loss(state.forward(batch.image), batch.target)
            for case in state.task.unlabelled.values():
                patch = torch.from_numpy(case.image[:, :16, :16, :16])[None]
                chances = state.forward(patch)[0].softmax(dim=1)
                loss = loss - (chances * chances.clamp_min(1e-8).log()).sum(dim=1).mean()
            state.backward(loss)
            state.update(self.gradient_clip)
            return loss.detach()


    @hookimpl
    def nnplug_trainers():
        return [TrainerComponent("semi", f"{__name__}:Semi", "entropy", takes_unlabelled=True)]
"""
TINY = {
    "planner": {"base_features": 4, "max_features": 8},
    "plan": {"patch_size": [16, 16, 16], "batch_size": 2},
    "trainer": {"epochs": 1, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1},
}


@pytest.fixture
def dataset(tmp_path):
    """Four labelled phantoms, and two without their label maps."""
    dataset = write_phantom(tmp_path / "Dataset901_Phantom", cases=4, unseen=2, shape=(20, 24, 22))
    shutil.copytree(dataset.folder / "imagesTs", dataset.folder / "imagesUn")
    return dataset


@pytest.fixture
def runtime(install):
    install("nnplug-semi", "semi", SEMI)
    return Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1)


@pytest.fixture
def prepare(dataset, tmp_path, runtime):
    """Verify, plan and preprocess with a trainer; gives the job of fold 0."""

    def call(trainer="semi", root="w", until=Step.PREPROCESS):
        request = RunRequest(
            dataset=Dataset.open(dataset.folder),
            workspace=Workspace(tmp_path / root, dataset.name),
            plan=PlanRequest(options=TINY, configurations=("3d_fullres",), components={Kind.TRAINER: trainer}),
            folds=(0,),
            until=until,
        )
        run(request, runtime)
        (plans,) = request.workspace.plans("any").parent.iterdir()
        return TrainingJob(request.workspace, request.dataset, read_plans(plans), "3d_fullres", 0)

    return call


def names(dataset):
    return tuple(files.name for files in dataset.unlabelled_cases())


def store(job):
    return UnlabelledStore.beside(job.prepared_folder)


def times(job):
    return {name: (store(job).folder / name / "image.npy").stat().st_mtime_ns for name in store(job)}


def test_a_trainer_learns_from_them_and_the_run_names_them(prepare, dataset, runtime):
    job = prepare()
    assert len(names(dataset)) == 2
    train(job, runtime)
    assert RunRecord.read(job.run.record).unlabelled == names(dataset)
    shutil.rmtree(dataset.folder / "imagesUn")
    none = prepare(root="none")
    train(none, runtime)
    assert RunRecord.read(none.run.record).unlabelled == ()
    there, without = load_file(job.run.final_weights), load_file(none.run.final_weights)
    assert any(not torch.equal(there[key], without[key]) for key in without)


def test_they_are_prepared_as_training_images_are(prepare, dataset):
    """An image that is given with its label map and without one is stored alike."""
    for file in (dataset.folder / "imagesTr").iterdir():
        shutil.copy(file, dataset.folder / "imagesUn")
    job = prepare()
    for name, labelled in CaseStore(job.prepared_folder).items():
        np.testing.assert_array_equal(store(job)[name].image[...], labelled.image[...])


def test_another_trainer_gets_none_and_none_are_stored(prepare, runtime):
    job = prepare("nnunet")
    assert not store(job).folder.exists()
    train(job, runtime)
    assert "unlabelled" not in json.loads(job.run.record.read_text())


def test_preprocessing_again_makes_what_changed_alone(prepare, dataset):
    job, folder = prepare(), dataset.folder / "imagesUn"
    before, (first, second) = times(job), names(dataset)
    assert times(prepare()) == before
    for file in folder.glob(f"{first}_*"):
        shutil.copy(folder / file.name.replace(first, second), file)
    (store(job).folder / ".0123abcd-killed").mkdir()
    after = times(prepare())
    assert [name for name in after if after[name] != before[name]] == [first]
    for file in folder.glob(f"{first}_*"):
        file.unlink()
    prepare()
    assert [path.name for path in store(job).folder.iterdir()] == [second]


def test_images_that_are_not_preprocessed_are_refused_with_the_remedy(prepare, dataset, runtime):
    job = prepare()
    shutil.rmtree(store(job).folder / names(dataset)[0])
    with pytest.raises(NnplugError, match=r"_unlabelled: 1 images of .*imagesUn are not preprocessed") as told:
        train(job, runtime)
    assert "Preprocess configuration 3d_fullres" in str(told.value)


def test_a_run_that_began_with_other_images_is_refused(prepare, dataset, runtime):
    job = prepare()
    train(job, runtime)
    gone = names(dataset)[0]
    for file in (dataset.folder / "imagesUn").glob(f"{gone}_*"):
        file.unlink()
    with pytest.raises(NnplugError, match=rf"was begun with other images without label maps .*'{gone}' among 1"):
        train(replace(job, dataset=Dataset.open(dataset.folder)), runtime)
    remove_folder(job.run.path)
    prepare()
    train(job, runtime)
    assert RunRecord.read(job.run.record).unlabelled == names(dataset)


def test_a_dataset_whose_images_lie_elsewhere_trains_from_the_stored_ones(prepare, dataset, runtime):
    job, stored = prepare(), names(dataset)
    shutil.rmtree(dataset.folder / "imagesUn")
    for _ in range(2):  # the second call finds the run finished, with the same images
        train(job, runtime)
    assert RunRecord.read(job.run.record).unlabelled == stored


@pytest.mark.parametrize("trainer", ["semi", "nnunet"])
def test_all_faults_are_found_by_verify(prepare, dataset, trainer):
    prepare(trainer)
    folder, (first, second) = dataset.folder / "imagesUn", names(dataset)
    (folder / f"{first}_0001.nii.gz").unlink()
    (folder / f"{second}_0000.nii.gz").write_bytes(b"no image")
    (folder / "stray.nii.gz").write_bytes(b"")
    with pytest.raises(Problems) as told:
        prepare(trainer)
    lines = sorted(map(str, told.value.lines))
    assert len(lines) == 3
    assert any(f"{first}_0001.nii.gz: is missing; dataset.json names 2 channels" in line for line in lines)
    assert any(line.startswith(str(folder / f"{second}_0000.nii.gz")) for line in lines)
    assert any("stray.nii.gz: does not fit CASE_0000.nii.gz" in line for line in lines)


def test_an_image_with_infinity_is_named_by_preprocessing_too(prepare, dataset, runtime, tmp_path):
    job = prepare(until=Step.PLAN)
    file = min((dataset.folder / "imagesUn").iterdir())
    image = SimpleITK.ReadImage(str(file), SimpleITK.sitkFloat32)
    image[0, 0, 0] = np.inf
    SimpleITK.WriteImage(image, str(file))
    with pytest.raises(Problems, match=file.name):
        preprocess_dataset(job.dataset, job.plans, job.configuration, tmp_path / "cases", runtime)
    assert list(CaseStore(tmp_path / "cases")) == [files.name for files in dataset.training_cases()]
    assert list(UnlabelledStore.beside(tmp_path / "cases")) == [names(dataset)[1]]
