"""A sound writer of npy files, and writers that break one promise each."""

from __future__ import annotations

import numpy as np

from nnplug.dataset.case_files import CaseFiles
from nnplug.io.geometry import Geometry
from nnplug.io.images import write_image
from nnplug.runtime.files import atomic_file


class Sound:
    def check(self, case, description):
        return ()

    def write(self, path, predicted):
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, predicted.label_map.array)

    def example(self, folder):
        direction = tuple(np.eye(3).ravel().tolist())
        geometry = Geometry((3, 4, 5), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), direction)
        write_image(folder / "a_0000.nii.gz", np.zeros(geometry.shape, np.int16), geometry)
        return CaseFiles("a", (folder / "a_0000.nii.gz",))


class Silent(Sound):
    def check(self, case, description):
        return None


class Scatters(Sound):
    def write(self, path, predicted):
        super().write(path, predicted)
        path.with_suffix(".log").write_text("written")


class Scribbles(Sound):
    """Writes into the image."""

    def write(self, path, predicted):
        super().write(path, predicted)
        with predicted.case.images[0].open("ab") as image:
            image.write(b"seen")


class Empties(Sound):
    def write(self, path, predicted):
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, np.zeros_like(predicted.label_map.array))


class NeedsForeground(Sound):
    def write(self, path, predicted):
        assert predicted.label_map.array.any()
        super().write(path, predicted)


class InPlace(Sound):
    def write(self, path, predicted):
        with path.open("wb") as file:
            np.save(file, predicted.label_map.array)


class Local(Sound):
    def __init__(self):
        self.log = lambda line: None


class SoundDataset(Sound):
    """CASE/labels.npy and a list of cases."""

    def files(self, case, description):
        return (f"{case.name}/labels.npy",)

    def shared_files(self):
        return ("cases.txt", "notes/model.txt")

    def shared(self, folder, there, case, model):
        cases = sorted({*there.get("cases.txt", "").splitlines(), case.name})
        return {"cases.txt": "\n".join(cases), "notes/model.txt": model.name}

    def write(self, path, predicted):
        (name, *_) = self.files(predicted.case, predicted.description)
        super().write(path / name, predicted)


class OneFolder(SoundDataset):
    """Names the same files for all cases."""

    def files(self, case, description):
        return ("all/labels.npy",)


class Outside(SoundDataset):
    def files(self, case, description):
        return (f"../written/{case.name}.npy",)


class Omits(SoundDataset):
    """Names a file that it does not write."""

    def files(self, case, description):
        return (f"{case.name}/labels.npy", f"{case.name}/labels.txt")


class Hides(SoundDataset):
    """Writes a file that it does not name."""

    def write(self, path, predicted):
        super().write(path, predicted)
        (path / "seen.txt").write_text("seen")


class ForgetsCases(SoundDataset):
    def shared(self, folder, there, case, model):
        return {"cases.txt": case.name, "notes/model.txt": model.name}


class RepeatsCases(SoundDataset):
    def shared(self, folder, there, case, model):
        return {"cases.txt": f"{there.get('cases.txt', '')}{case.name}\n", "notes/model.txt": model.name}


class SharesLess(SoundDataset):
    def shared(self, folder, there, case, model):
        return {"cases.txt": super().shared(folder, there, case, model)["cases.txt"]}
