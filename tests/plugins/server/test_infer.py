"""POST /infer/MODEL of the running command: label maps, formats, channels, and images that are refused."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.parser import BytesParser

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.io.images import read_label


def parts(answered):
    """The parameters of an answer, and the name and content of its file."""
    head = f"Content-Type: {answered.headers['content-type']}\n\n".encode()
    first, second = BytesParser().parsebytes(head + answered.body).get_payload()
    return json.loads(first.get_payload()), second.get_filename(), second.get_payload(decode=True)


def test_parallel_requests_get_the_labels_of_predict(server, predicted, tmp_path):
    def ask(seed):
        return server.send("/infer/organs?output=image", predicted / f"images/case{seed}_0000.nii.gz")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, (1, 2, 1, 2)))
    for seed, answered in zip((1, 2, 1, 2), answers, strict=True):
        assert answered.status == 200
        (tmp_path / "labels.nii.gz").write_bytes(answered.body)
        expected, found = read_label(predicted / f"one/case{seed}.nii.gz"), read_label(tmp_path / "labels.nii.gz")
        assert np.array_equal(found.array, expected.array)
        assert found.geometry == expected.geometry
    assert not np.array_equal(
        read_label(predicted / "one/case2.nii.gz").array, read_label(predicted / "one/case1.nii.gz").array
    )
    assert not server.left()


def test_parameters_and_label_map_come_together_in_the_wanted_format(server, predicted, tmp_path):
    image = predicted / "images/case1_0000.nii.gz"
    expected = read_label(predicted / "one/case1.nii.gz")
    for ending in (".nrrd", ".mha", ".nii"):
        found = server.send("/infer/organs?image=case1", image, params=json.dumps({"result_extension": ending}))
        parameters, name, content = parts(found)
        assert parameters["label_names"] == {"organ": 1, "tumour": 2}
        assert parameters["model"] == "Dataset001_Organs nnunet 3d_fullres"
        assert parameters["warnings"] == []
        assert name.endswith(ending)
        (tmp_path / name).write_bytes(content)
        label_map = read_label(tmp_path / name)
        assert np.array_equal(label_map.array, expected.array)
        assert np.allclose(label_map.geometry.direction, expected.geometry.direction, atol=1e-6)
        assert np.allclose(label_map.geometry.origin, expected.geometry.origin)
    assert server.send("/infer/organs?output=json", image).data["label_names"] == {"organ": 1, "tumour": 2}
    refused = server.send("/infer/organs", image, params='{"result_extension": ".exe"}')
    assert (refused.status, refused.detail[:48]) == (400, "params has the result_extension '.exe'; expected")


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nii"])
def test_images_of_other_formats(server, predicted, tmp_path, ending):
    image = tmp_path / f"x{ending}"
    sitk.WriteImage(sitk.ReadImage(str(predicted / "images/case1_0000.nii.gz")), str(image))
    answered = server.send("/infer/organs?output=image", image)
    (tmp_path / f"labels{ending}").write_bytes(answered.body)
    assert np.array_equal(
        read_label(tmp_path / f"labels{ending}").array, read_label(predicted / "one/case1.nii.gz").array
    )


def test_channels_are_several_files_in_any_order(server, predicted, tmp_path):
    files = [predicted / f"both/case1_000{channel}.nii.gz" for channel in (0, 1)]
    expected = read_label(predicted / "two/case1.nii.gz").array
    assert expected.any()
    bare = [(f"{name}.nii.gz", file.read_bytes()) for name, file in zip(("t1", "flair"), files, strict=True)]
    for sent in (files, files[::-1], bare):
        answered = server.send("/infer/two?output=image", *sent)
        assert answered.status == 200, answered.body
        (tmp_path / "labels.nii.gz").write_bytes(answered.body)
        assert np.array_equal(read_label(tmp_path / "labels.nii.gz").array, expected)
    assert server.send("/infer/two?output=json", *files).data["label_names"] == {"whole": 1, "core": 2}
    refused = server.send("/infer/two", files[0])
    assert (refused.status, "channel" in refused.detail) == (400, True)
    refused = server.send("/infer/two", files[0], ("case1_0002.nii.gz", files[1].read_bytes()))
    assert (refused.status, refused.detail) == (
        400,
        "case1_0000.nii.gz: 2 files have the channel numbers [0, 2]; expected 0000 to 0001, each once",
    )


def test_a_file_with_all_channels(server, predicted, tmp_path):
    files = [sitk.ReadImage(str(predicted / f"both/case1_000{channel}.nii.gz")) for channel in (0, 1)]
    sitk.WriteImage(sitk.Compose(files), str(tmp_path / "both.nrrd"))
    answered = server.send("/infer/two?output=image", tmp_path / "both.nrrd")
    (tmp_path / "labels.nrrd").write_bytes(answered.body)
    assert np.array_equal(read_label(tmp_path / "labels.nrrd").array, read_label(predicted / "two/case1.nii.gz").array)


def test_names_of_files_are_no_paths(server, predicted, tmp_path):
    content = (predicted / "images/case1_0000.nii.gz").read_bytes()
    for name in ("../../../../tmp/evil.nii.gz", "/etc/evil.nii.gz", "C:\\evil.nii.gz", "a\tb.nii.gz", ".nii.gz"):
        answered = server.send("/infer/organs?output=json", (name, content))
        assert answered.status == 200, answered.body
    refused = server.send("/infer/organs", ("../../secret/name.nii.gz", b"not an image"))
    assert (refused.status, refused.detail) == (
        400,
        "name.nii.gz: is empty or truncated; copy it again or leave its case out. Send another file.",
    )


def bad_zip(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


NRRD = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: %s\nencoding: gzip\n\n"
META = b"ObjectType = Image\nNDims = 3\nDimSize = %s\nElementType = MET_UCHAR\nElementDataFile = %s\n"


@pytest.mark.parametrize(
    ("name", "content", "status", "line"),
    [
        ("a.nii.gz", b"", 400, "a.nii.gz: is empty or truncated"),
        ("a.nii.gz", gzip.compress(bytes(300)), 400, "a.nii.gz: "),
        ("a.nii.gz", gzip.compress(b"x" * 400)[:-20], 400, "a.nii.gz: is truncated or damaged ("),
        ("a.nrrd", b"NRRD0004\n\n", 400, "a.nrrd: cannot be read as an image"),
        ("a.txt", b"hello", 400, "a.txt: is no image by its name; send a file whose name ends as that of an image"),
        ("a", b"hello", 400, "a: is no image by its name"),
        ("a.zip", b"no zip", 400, "a.zip: not a readable zip file"),
        ("a.zip", bad_zip(**{"../../evil.dcm": "x"}), 400, "a.zip: holds '../../evil.dcm', a path out of the archive"),
        ("a.zip", bad_zip(a="text"), 400, "a.zip: holds no image that nnplug reads"),
        (
            "a.zip",
            bad_zip(bomb=bytes(50_000_000)),
            413,
            "a.zip: unpacks to 50000000 bytes, and an image may have 40000000",
        ),
        ("a.nii.gz", gzip.compress(bytes(50_000_000)), 413, "a.nii.gz: unpacks to more than 40000000 bytes"),
        (
            "a.nrrd",
            NRRD % b"1000 1000 100",
            413,
            "a.nrrd: has 1 channels of the size [1000, 1000, 100], and an image may",
        ),
        (
            "a.nrrd",
            NRRD.replace(b"encoding", b"data file: /etc/passwd\nencoding") % b"4 4 4",
            400,
            "a.nrrd: its voxels are in",
        ),
        ("a.mha", META % (b"4 4 4", b"/etc/passwd"), 400, "a.mha: its voxels are in another file"),
        ("a.mha", META % (b"1000 1000 100", b"LOCAL"), 413, "a.mha: has 1 channels of the size [1000, 1000, 100]"),
        (
            "a.mhd",
            META % (b"4 4 4", b"other.raw"),
            400,
            "a.mhd: its voxels are in another file; save header and voxels",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_images_are_one_line(server, name, content, status, line):
    refused = server.send("/infer/organs", (name, content))
    assert (refused.status, refused.detail[: len(line)]) == (status, line)
    assert "/tmp" not in refused.detail
    assert not server.left()


def test_a_large_grid_is_refused_by_its_header(server, tmp_path):
    sitk.WriteImage(sitk.Image(4000, 3000, sitk.sitkUInt8), str(tmp_path / "a.png"))
    refused = server.send("/infer/organs", tmp_path / "a.png")
    assert (refused.status, refused.detail[:47]) == (413, "a.png: has the shape (1, 3000, 4000) (z, y, x),")


def test_wrong_requests_are_one_line(server, predicted):
    image = predicted / "images/case1_0000.nii.gz"
    cases = [
        (server.send("/infer/organ", image), 404, "no model is called 'organ'. Did you mean 'organs'?"),
        (
            server.send("/infer/organs?image=case1"),
            404,
            "the image 'case1' is not here: nnplug serve keeps no images; send",
        ),
        (server.send("/infer/organs"), 404, "no image was sent; send it as the part 'file' of the form"),
        (server.ask("/infer/organs?output=json", b"", "POST"), 404, "no image was sent"),
        (server.send("/infer/organs", image, part="label"), 501, "a label map was sent; the models of nnplug are not"),
        (server.send("/infer/organs?output=xml", image), 400, "query.output is 'xml': Input should be"),
        (server.send("/infer/organs", image, params="{"), 400, "params is '{'; expected JSON"),
        (server.send("/infer/organs", image, params="[]"), 400, "params is '[]'; expected a JSON object"),
        (server.send("/infer/organs", image, params='{"series": 3}'), 400, "params has the series 3; expected the id"),
        (
            server.send("/infer/organs", image, params='{"result_extension": 3}'),
            400,
            "params has the result_extension 3;",
        ),
        (server.ask("/infer/organs", b"text", Content_Type="text/plain"), 415, "the body is 'text/plain'; expected"),
        (server.ask("/infer/organs"), 405, "GET /infer/organs: Method Not Allowed"),
        (server.ask("/train/organs", b"{}"), 501, "/train/organs: nnplug serve predicts, and does nothing else"),
        (server.ask("/activelearning/random", b"{}"), 501, "/activelearning/random: nnplug serve predicts"),
        (server.send("/datastore/?image=a", image, method="PUT"), 501, "/datastore/: nnplug serve keeps no images"),
        (server.ask("/datastore/label?label=a&tag=final"), 501, "/datastore/label: nnplug serve keeps no images"),
        (server.ask("/nothing"), 404, "GET /nothing: Not Found"),
    ]
    for refused, status, line in cases:
        assert (refused.status, refused.detail[: len(line)]) == (status, line)
    assert server.ask("/datastore/?output=all").data["objects"] == {}
    assert not server.left()
