import json
import stat
import zipfile

import pytest

from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.models.bundle import read_bundle, unpacked, write_bundle
from nnplug.models.ensemble_bundle import import_bundle


@pytest.fixture
def bundle(make_run, tmp_path):
    write_bundle([make_run(0), make_run(1)], tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def archive(make_run, tmp_path):
    write_bundle([make_run(0)], tmp_path / "bundle.zip")
    return tmp_path / "bundle.zip"


def add(archive, name, content=b"x", mode=stat.S_IFREG | 0o644):
    with zipfile.ZipFile(archive, "a") as zipped:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        zipped.writestr(member, content)


def test_a_bundle_holds_safetensors_and_json_only(bundle, plans):
    names = {file.relative_to(bundle).as_posix() for file in bundle.rglob("*") if file.is_file()}
    weights = {f"fold_{fold}/weights.safetensors" for fold in (0, 1)}
    assert names == {"bundle.json", "plans.json", "dataset.json", *weights}
    opened = read_bundle(bundle)
    assert opened.plans == plans
    assert opened.record.folds == ("0", "1")
    assert opened.record.record["1"]["fold"] == 1
    assert set(opened.record.sha256) == names - {"bundle.json"}


@pytest.mark.parametrize(
    ("recorded", "common"),
    [
        ((None, None), None),
        (("float16", "float16"), "float16"),
        (("bfloat16", None), "bfloat16"),
        (("float16", "bfloat16"), "float32"),
    ],
)
def test_the_precision_of_the_folds_is_kept_unless_it_is_not_known(make_run, tmp_path, recorded, common):
    write_bundle([make_run(fold, precision=one) for fold, one in enumerate(recorded)], tmp_path / "b")
    assert read_bundle(tmp_path / "b").record.precision == common
    assert ("precision" in json.loads((tmp_path / "b" / "bundle.json").read_text())) == (common is not None)
    assert ("precision" in (tmp_path / "runs" / "fold_0" / "run.json").read_text()) == (recorded[0] is not None)


def test_the_licence_is_the_datasets_unless_given(bundle, make_run, tmp_path):
    assert read_bundle(bundle).record.licence == "CC0"
    write_bundle([make_run(2)], tmp_path / "other", licence="MIT")
    assert read_bundle(tmp_path / "other").record.licence == "MIT"


def test_equal_models_give_equal_zips(make_run, tmp_path):
    run = make_run(0)
    for name in ("a.zip", "b.zip"):
        write_bundle([run], tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_zip_becomes_a_folder_that_verifies(archive, tmp_path):
    bundle = import_bundle(archive, tmp_path / "target")
    assert read_bundle(tmp_path / "target").record == bundle.record


def test_nothing_but_a_bundle_is_replaced(bundle, archive, tmp_path):
    import_bundle(archive, bundle)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    with pytest.raises(NnplugError, match="is there and is no bundle"):
        import_bundle(archive, precious)
    assert (precious / "thesis.txt").read_text() == "years"


def test_each_wrong_missing_and_unexpected_file_is_named(bundle):
    (bundle / "plans.json").write_text("{}")
    (bundle / "fold_0" / "weights.safetensors").unlink()
    (bundle / "setup.py").write_text("")
    (bundle / ".DS_Store").write_text("")
    (bundle / "link.json").symlink_to(bundle / "dataset.json")
    with pytest.raises(Problems) as error:
        read_bundle(bundle)
    lines = {line.split(": ")[0].removeprefix(f"{bundle}/"): line for line in error.value.lines}
    assert set(lines) == {"plans.json", "fold_0/weights.safetensors", "setup.py", "link.json"}
    assert "has sha256" in lines["plans.json"]
    assert "is missing" in lines["fold_0/weights.safetensors"]
    assert "is not listed" in lines["setup.py"]
    assert "is a link" in lines["link.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema=2), "bundle has schema 2, this nnplug reads up to 1. Upgrade nnplug."),
        (lambda d: d["sha256"].update({"../up.json": "0"}), "holds '../up.json', which leads out of the bundle"),
        (lambda d: d["sha256"].update({"/etc/a.json": "0"}), "leads out of the bundle"),
        (lambda d: d["sha256"].update({"model.pth": "0"}), "holds 'model.pth'; a bundle has .json and .safetensors"),
        (lambda d: d["sha256"].pop("plans.json"), "lists no plans.json"),
        (lambda d: d.update(folds=[]), "lists no fold"),
        (lambda d: d.update(surprise=1), "surprise"),
    ],
)
def test_an_unsafe_or_newer_list_is_refused(bundle, change, message):
    data = json.loads((bundle / "bundle.json").read_text())
    change(data)
    (bundle / "bundle.json").write_text(json.dumps(data))
    with pytest.raises(InvalidFile, match=message):
        read_bundle(bundle)


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("../up.json", stat.S_IFREG, r"holds '../up.json', which leads out"),
        ("/etc/x.json", stat.S_IFREG, "leads out"),
        ("C:\\x.json", stat.S_IFREG, "leads out"),
        ("run.sh", stat.S_IFREG | 0o755, "holds 'run.sh'; a bundle has"),
        ("link.json", stat.S_IFLNK, "holds the link 'link.json'"),
    ],
)
def test_an_unsafe_zip_is_refused_before_anything_is_written(archive, tmp_path, name, mode, message):
    add(archive, name, mode=mode)
    with pytest.raises(InvalidFile, match=message):
        import_bundle(archive, tmp_path / "target")
    assert not (tmp_path / "target").exists()
    assert not (tmp_path / "up.json").exists()


def test_a_zip_with_an_empty_name_is_refused(archive, tmp_path):
    add(archive, "Q.json")
    archive.write_bytes(archive.read_bytes().replace(b"Q.json", b"\0.json"))  # zipfile ends a name at a zero byte
    with pytest.raises(InvalidFile, match=r"holds ''; a bundle has"):
        import_bundle(archive, tmp_path / "target")


def test_a_zip_with_a_file_that_is_not_listed_is_refused(archive, tmp_path):
    add(archive, "more.json")
    with pytest.raises(Problems, match=r"more.json: is not listed"), unpacked(archive):
        pass


def test_a_damaged_zip_is_named(archive):
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(InvalidFile, match=r"bundle.zip: not a readable bundle"), unpacked(archive):
        pass


def test_no_bundle_is_named(tmp_path):
    with pytest.raises(InvalidFile, match=r"no bundle \(bundle.json is missing\)"):
        read_bundle(tmp_path)
    with pytest.raises(InvalidFile, match="no such bundle"):
        read_bundle(tmp_path / "absent")


def test_one_fold_twice_is_refused(make_run, tmp_path):
    run = make_run(0)
    with pytest.raises(NnplugError, match="fold '0' is given twice"):
        write_bundle([run, run], tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_zip_that_unpacks_to_much_more_than_a_model_does_is_refused(archive, tmp_path):
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as zipped, zipped.open("more.json", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    with pytest.raises(InvalidFile, match=r"bundle\.zip: has \d MB and would unpack to 315 MB"), unpacked(archive):
        pass


def test_faults_in_a_zip_are_named_with_the_zip(archive):
    with zipfile.ZipFile(archive) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content + b" ")
    with pytest.raises(Problems) as told, unpacked(archive):
        pass
    assert told.value.lines[0].startswith(f"{archive}/dataset.json: has sha256 ")
    assert "nnplug-" not in str(told.value)


def test_a_zip_whose_directory_lies_before_its_start_is_named(archive):
    data = archive.read_bytes()
    place = data.rindex(b"PK\x05\x06") + 12
    archive.write_bytes(data[:place] + (len(data) * 2).to_bytes(4, "little") + data[place + 4 :])
    with pytest.raises(InvalidFile, match=r"bundle\.zip: not a readable bundle"), unpacked(archive):
        pass
