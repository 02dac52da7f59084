from nnplug.contracts import LogLine, append_log
from nnplug.training.plots import draw_curves

LINE = {"learning_rate": 0.01, "train_loss": 1.0, "seconds": 3.0}


def test_no_log_is_no_picture(tmp_path):
    draw_curves(tmp_path / "log.jsonl", tmp_path / "progress.png")
    assert not (tmp_path / "progress.png").exists()


def test_curves_are_a_picture(tmp_path):
    log = tmp_path / "log.jsonl"
    for epoch in range(3):
        dice = None if epoch else 0.2
        append_log(log, LogLine(epoch=epoch, val_loss=1.1, mean_dice=dice, smoothed_dice=0.2, wait_seconds=1, **LINE))
    draw_curves(log, tmp_path / "progress.png")
    assert (tmp_path / "progress.png").read_bytes().startswith(b"\x89PNG")


def test_a_trainer_without_validation_has_curves_too(tmp_path):
    log = tmp_path / "log.jsonl"
    for epoch in range(3):
        append_log(log, LogLine(epoch=epoch, **LINE))
    draw_curves(log, tmp_path / "progress.png")
    assert (tmp_path / "progress.png").read_bytes().startswith(b"\x89PNG")
