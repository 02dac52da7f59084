# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first model
#
# This notebook makes a small data set, trains a segmentation model on it, and predicts images that the training has
# not seen. It takes minutes on a computer with two cores; no GPU is needed. Everything it writes is in the folder
# `first-model`.
#
# Install `nnplug` first: `pip install nnplug`.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import nnplug
from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_image, read_label

FOLDER = Path("first-model")
WORKSPACE = FOLDER / "work"

# %% [markdown]
# ## The data
#
# A dataset is a folder in nnU-Net's layout: `dataset.json` says what the channels and labels are, `imagesTr` has the
# training images, `labelsTr` their label maps. `write_phantom` makes one of small volumes: each has two channels, and
# an organ of two parts, `body` and `cap`. With your own data, write the path of your folder instead.

# %%
dataset = write_phantom(FOLDER / "Dataset001_Phantom", cases=20, unseen=2)
sorted(path.name for path in dataset.folder.iterdir())

# %%
case = dataset.training_cases()[0]
image = read_image(case.images)
labels = read_label(case.label)
print("channels, z, y, x:", image.array.shape)
print("spacing (z, y, x) in mm:", image.geometry.spacing)


def show(pictures, titles):
    """Show 2D pictures side by side; label maps are those of whole numbers."""
    figure, axes = plt.subplots(1, len(pictures), figsize=(2.4 * len(pictures), 2.6), dpi=72)
    for axis, picture, title in zip(axes, pictures, titles):
        is_label = np.issubdtype(picture.dtype, np.integer)
        colours = {"cmap": "viridis", "vmin": 0, "vmax": 2} if is_label else {"cmap": "gray"}
        axis.imshow(picture, interpolation="nearest", **colours)
        axis.set_title(title)
        axis.axis("off")
    figure.tight_layout()


middle = labels.array.sum(axis=(1, 2)).argmax()  # the slice with the most of the organ
show([*image.array[:, middle], labels.array[middle]], ["channel T1", "channel T2", "label map"])

# %% [markdown]
# ## From the dataset to the model
#
# `nnplug.run` does every step: it checks the files, measures the dataset, plans the network, preprocesses the cases,
# trains, validates, and makes one model. Here it trains one configuration and one of the five folds, and `options`
# make the network and the training small. Leave `folds` and `options` out for a real training.
#
# `progress` is a function that gets a title, the finished items, all items, and a few words on the latest item.


# %%
def progress(title, finished, total, latest):
    """Print a line at the end of each task."""
    if finished == total:
        print(f"{title}: {total} done", f"({latest})" if latest else "")


result = nnplug.run(
    dataset.folder,
    workspace=WORKSPACE,
    configurations="3d_fullres",
    folds=0,
    device="cpu",
    mirroring=False,
    options={
        "planner.base_features": 12,
        "planner.max_features": 96,
        "plan.patch_size": (40, 48, 40),
        "plan.batch_size": 2,
        "trainer.epochs": 10,
        "trainer.iterations_per_epoch": 25,
        "trainer.val_iterations_per_epoch": 4,
    },
    progress=progress,
)

# %% [markdown]
# The result has the plans, the scores of the validation cases, and the path of the model.

# %%
planned = result.plans.configuration("3d_fullres")
print("patch (z, y, x) in voxels:", planned.patch_size, "- batch:", planned.batch_size)
print("spacing (z, y, x) in mm:", planned.spacing)
print("model:", result.model.relative_to(Path.cwd()))
means = result.scores["3d_fullres", 0]["mean"].values()
for name, figures in zip(dataset.description.labels.foreground_names, means):
    print(f"Dice of {name} in the validation cases: {figures['Dice']:.3f}")

# %% [markdown]
# If it is stopped, call it again with the same arguments: it goes on where it was. Each step is a function, too:
# `nnplug.verify`, `nnplug.fingerprint`, `nnplug.plan`, `nnplug.preprocess`, `nnplug.train`.
#
# ## Prediction
#
# `nnplug.predict` segments all images of a folder, `nnplug.evaluate` compares the results with the references.

# %%
predicted = nnplug.predict(
    dataset.folder / "imagesTs", FOLDER / "predictions", result.model, device="cpu", mirroring=False
)
scores = nnplug.evaluate(dataset.folder / "labelsTs", predicted.folder)
print(f"mean Dice of {len(predicted.files)} new images: {scores.mean['Dice']:.3f}")

# %%
name, file = next(iter(predicted.files.items()))
unseen = read_image([dataset.folder / "imagesTs" / f"{name}_{channel:04d}.nii.gz" for channel in (0, 1)])
reference = read_label(dataset.folder / "labelsTs" / file.name)
middle = reference.array.sum(axis=(1, 2)).argmax()
show(
    [unseen.array[1, middle], reference.array[middle], read_label(file).array[middle]],
    ["channel T2", "reference", "prediction"],
)

# %% [markdown]
# That was a thousandth of a real training: the default is 1000 epochs of 250 iterations.
#
# `nnplug.Predictor` keeps the model in memory and takes arrays.

# %%
predictor = nnplug.Predictor(result.model, device="cpu", mirroring=False)
label_map = predictor.predict(unseen.array, spacing=unseen.geometry.spacing)
print(label_map.shape, {name: int(np.isin(label_map, value).sum()) for name, value in predictor.labels.items()})

# %% [markdown]
# ## What next
#
# - [nnplug from Python](../python.md): every function with its arguments.
# - `nnplug run DATASET` on the command line does what `nnplug.run` does here.
