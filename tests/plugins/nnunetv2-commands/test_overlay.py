"""`nnUNetv2_plot_overlay_pngs`: a picture of every training case, raw or as prepared."""

from __future__ import annotations

import SimpleITK


def shapes(folder):
    return {path.name: SimpleITK.ReadImage(str(path)).GetSize() for path in sorted(folder.glob("[!.]*"))}


def test_raw_and_prepared_cases_are_drawn(prepared, tmp_path):
    names = {f"phantom_{k:03d}.png" for k in range(10)}
    raw = prepared.expect("nnUNetv2_plot_overlay_pngs", "-d", 999, "-o", tmp_path / "raw", "--use_raw", "-np", 1)
    assert raw.stdout == f"10 pictures: {tmp_path / 'raw'}\n"
    assert shapes(tmp_path / "raw") == dict.fromkeys(names, (2 * 22, 24))
    words = ("-channel_idx", 1, "-c", "tiny", "-overlay_intensity", 1)
    prepared.expect("nnUNetv2_plot_overlay_pngs", "-d", 999, "-o", tmp_path / "prepared", *words)
    assert shapes(tmp_path / "prepared").keys() == names


def test_mistakes_are_told(prepared, tmp_path):
    words = ("-d", 999, "-o", tmp_path / "out")
    absent = prepared.run("nnUNetv2_plot_overlay_pngs", *words, "-channel_idx", 7, "--use_raw")
    assert absent.returncode == 1
    assert "phantom_000: has 2 channels, there is no channel 7" in absent.stderr
    assert prepared.run("nnUNetv2_plot_overlay_pngs", *words, "-c", "huge").returncode == 1
    assert "other.json: no such plans" in prepared.run("nnUNetv2_plot_overlay_pngs", *words, "-p", "other").stderr
