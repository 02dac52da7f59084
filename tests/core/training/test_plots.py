import numpy as np
import pytest
import SimpleITK
from matplotlib.colors import to_rgb

from nnplug.contracts import LogLine, append_log
from nnplug.training.plots import draw_curves

LINE = {"learning_rate": 0.01, "train_loss": 1.0, "seconds": 3.0}
VALIDATED = {**LINE, "val_loss": 1.1, "mean_dice": 0.2, "smoothed_dice": 0.2, "wait_seconds": 0.1}


def test_no_log_is_no_picture(tmp_path):
    draw_curves(tmp_path / "log.jsonl", tmp_path / "progress.png")
    assert not (tmp_path / "progress.png").exists()


@pytest.fixture
def curves(tmp_path):
    """Draw the curves of three epochs; gives the picture, (y, x, 3)."""

    def draw(line=VALIDATED, **values):
        log = tmp_path / "log.jsonl"
        log.unlink(missing_ok=True)
        for epoch in range(3):
            append_log(log, LogLine(epoch=epoch, **{**line, **{key: row[epoch] for key, row in values.items()}}))
        draw_curves(log, tmp_path / "progress.png")
        picture = SimpleITK.ReadImage(str(tmp_path / "progress.png"))
        return SimpleITK.GetArrayFromImage(picture)[..., :3].astype(int)

    return draw


def pixels(picture, number):
    """Return the rows and columns of the pixels in the colour of matplotlib's line `number`."""
    colour = np.round(255 * np.array(to_rgb(f"C{number}")))
    return np.nonzero(np.abs(picture - colour).max(axis=2) <= 12)


def test_each_curve_has_its_colour_and_rises_and_falls_with_its_values(curves):
    picture = curves(train_loss=(1.0, 0.5, 0.0), mean_dice=(0.2, None, None))
    assert picture.shape == (1000, 900, 3)
    losses = picture[45:320, 80:820]
    rows, columns = pixels(losses, 0)
    assert rows[columns.argmin()] < 60, "the training loss begins high"
    assert rows[columns.argmax()] > 200, "and ends low"
    rows, columns = pixels(losses, 1)
    assert np.ptp(columns) > 600
    assert np.ptp(rows) <= 4, "the validation loss is level"
    for top in (360, 680):
        rows, columns = pixels(picture[top : top + 270, 80:820], 0)
        assert np.ptp(columns) > 600, "seconds and learning rate are drawn below"


def test_another_log_gives_another_picture(curves):
    falling = curves(train_loss=(1.0, 0.5, 0.0))
    rising = curves(train_loss=(0.0, 0.5, 1.0))
    assert (falling != rising).any()


def test_a_trainer_without_validation_has_curves_too(curves):
    losses = curves(LINE, train_loss=(1.0, 0.5, 0.0))[45:320, 80:820]
    assert np.ptp(pixels(losses, 0)[1]) > 600
    assert pixels(losses, 1)[0].size == 0, "there is no validation loss"
