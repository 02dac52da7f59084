import json

from nnplug.training.plots import draw_curves, read_log

EPOCH = {"epoch": 0, "lr": 0.01, "train_loss": 1.0, "val_loss": 1.1, "mean_dice": 0.2, "smoothed_dice": 0.2}
EPOCH |= {"seconds": 3.0, "wait_seconds": 0.1}


def test_log_without_a_torn_last_line(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps(EPOCH) + "\n" + json.dumps(EPOCH)[:20])
    assert read_log(log) == [EPOCH]


def test_no_log_is_no_epoch(tmp_path):
    assert read_log(tmp_path / "log.jsonl") == []
    draw_curves(tmp_path / "log.jsonl", tmp_path / "progress.png")
    assert not (tmp_path / "progress.png").exists()


def test_curves_are_a_picture(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps({**EPOCH, "epoch": e, "mean_dice": None if e else 0.2}) + "\n" for e in range(3)))
    draw_curves(log, tmp_path / "progress.png")
    assert (tmp_path / "progress.png").read_bytes().startswith(b"\x89PNG")
