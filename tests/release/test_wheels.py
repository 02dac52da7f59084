"""`make wheels`: what is built, and that a wheel from an sdist alone is the wheel of the checkout."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes

import pytest
from release.distributions import COMMAND, distributions, version
from release.wheels import build, build_all, check

pytestmark = pytest.mark.slow  # every distribution is built twice: two minutes


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder that `make wheels` fills; an older wheel lay there before."""
    out = tmp_path_factory.mktemp("dist")
    (out / "nnplug-0.0.1-py3-none-any.whl").touch()
    (out / "other-1.0-py3-none-any.whl").touch()
    files = build_all(out)
    assert len(files) == 2 * len(distributions())
    return out


def stem(one):
    return f"{one.name.replace('-', '_')}-{version()}"


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_one_wheel_and_one_sdist_each_and_older_ones_are_gone(built):
    wanted = {f"{stem(one)}{end}" for one in distributions() for end in ("-py3-none-any.whl", ".tar.gz")}
    assert {file.name for file in built.iterdir()} == wanted | {"other-1.0-py3-none-any.whl"}


def test_an_index_takes_them_and_refuses_one_without_a_readme(built, tmp_path):
    check(sorted(built.glob("nnplug*")))
    wheel = tmp_path / f"nnplug-{version()}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in contents(built / wheel.name).items():
            end = data.find(b"\n\n") if name.endswith("/METADATA") else len(data)
            archive.writestr(name, data[: end + 1].replace(b"Description-Content-Type: text/markdown\n", b""))
    with pytest.raises(subprocess.CalledProcessError):
        check([wheel])


@pytest.mark.parametrize("one", distributions(), ids=lambda one: one.name)
def test_the_wheel_of_the_checkout_is_that_of_the_sdist(one, built, tmp_path):
    words = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, one.folder]
    subprocess.run(words, check=True, capture_output=True)
    name = f"{stem(one)}-py3-none-any.whl"
    direct = contents(tmp_path / name)
    assert direct == contents(built / name)
    licences = {one.rpartition("/licenses/")[2] for one in direct if "/licenses/" in one}
    assert licences == set(one.project["license-files"])
    (metadata,) = (data for file, data in direct.items() if file.endswith(".dist-info/METADATA"))
    assert message_from_bytes(metadata)["Version"] == version()


@pytest.mark.parametrize("one", distributions(), ids=lambda one: one.name)
def test_sdists_hold_files_only(one, built):
    with tarfile.open(built / f"{stem(one)}.tar.gz") as archive:
        members = archive.getmembers()
    names = [member.name.removeprefix(f"{stem(one)}/") for member in members]
    assert all(member.isfile() for member in members)
    assert len(set(names)) == len(names)
    assert {"LICENSE", "README.md", "PKG-INFO"} <= set(names)


def test_a_distribution_that_cannot_be_built_is_told_with_its_reason(tmp_path, capsys):
    (command,) = (one for one in distributions() if one.name == COMMAND)
    (tmp_path / "pyproject.toml").write_text((command.folder / "pyproject.toml").read_text())
    with pytest.raises(subprocess.CalledProcessError):
        build(type(command)(tmp_path), tmp_path / "out")
    assert "VERSION" in capsys.readouterr().err
