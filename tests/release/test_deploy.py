"""The Dockerfile, and the recipes of docs/deploy.md: read, linted, and run where no cluster is needed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from packaging.version import Version
from release.chroot import bound
from release.distributions import ROOT, version
from release.dockerfile import Image, Instruction, instructions, read, substituted

from nnplug.dataset.phantom import write_phantom
from nnplug_cli.main import main

PAGE = (ROOT / "docs" / "deploy.md").read_text()
BIN = Path(sys.executable).parent
HARD = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def manifests():
    (text,) = blocks("yaml")
    return list(yaml.safe_load_all(text))


def pods():
    """Name -> specification of the pod, of everything that starts one."""
    kinds = {"Deployment", "Job"}
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in manifests() if one["kind"] in kinds}


@pytest.fixture(scope="module")
def hadolint():
    found = next(
        (p / "hadolint" for p in (BIN, Path(sysconfig.get_path("scripts"))) if (p / "hadolint").exists()), None
    )
    assert found, "hadolint is missing: pip install --requirement requirements-dev.txt"
    return found


def test_a_linter_finds_nothing_in_the_dockerfile_and_something_in_a_worse_one(hadolint, tmp_path):
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    worse = tmp_path / "Dockerfile"
    worse.write_text((ROOT / "Dockerfile").read_text().replace("USER 10001", "USER root"))
    assert subprocess.run([hadolint, worse], capture_output=True, check=False).returncode


def test_the_image_starts_the_command_as_a_user_without_a_network():
    first, last = read(ROOT / "Dockerfile", {"BASE": "some/base:1"})
    assert (first.base, first.name, last.base, last.name) == ("some/base:1", "build", "some/base:1", None)
    image = Image()
    for one in last.instructions:
        image = image.after(one)
    assert (image.entrypoint, image.cmd, image.workdir) == (("nnplug",), ("--help",), "/work")
    assert int(image.user) > 0
    assert image.env["HF_HUB_OFFLINE"] == "1"
    assert image.labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert read(ROOT / "Dockerfile", {})[0].base == "debian:bookworm-slim"


def test_the_context_of_a_build_is_the_wheels():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines == ["*", "!dist/*.whl"]
    copied = [one.value for stage in read(ROOT / "Dockerfile", {}) for one in stage.instructions if one.word == "COPY"]
    assert copied == ["dist/*.whl /wheels/", "--from=build /opt/nnplug /opt/nnplug"]


def test_arguments_of_the_build_are_those_of_the_page():
    declared = {
        one.value.partition("=")[0] for one in instructions((ROOT / "Dockerfile").read_text()) if one.word == "ARG"
    }
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE)) == declared
    assert set(re.findall(r"--build-arg ([A-Z_]+)=", PAGE)) <= declared


def test_instructions_are_joined_and_unknown_ones_refused():
    text = "# a\nARG A=1\nRUN x \\\n    # between\n    && y\n"
    assert list(instructions(text)) == [Instruction("ARG", "A=1"), Instruction("RUN", "x && y")]
    assert substituted("${A}-$B-${C}", {"A": "1", "B": "2"}) == "1-2-"
    with pytest.raises(ValueError, match="ONBUILD is not carried out here: ONBUILD RUN x"):
        list(instructions("ONBUILD RUN x\n"))


def test_folders_of_the_host_are_read_only_in_a_build():
    assert "mount -o remount,bind,ro" in bound(["/a:/b"], read_only=True)
    assert bound(["/a:/b"], read_only=False) == 'true; mkdir -p "$1/b"; mount --bind /a "$1/b"'


def test_pods_are_users_with_read_only_roots_and_mount_what_they_name():
    found = pods()
    assert set(found) == {"nnplug-scheduler", "nnplug-worker", "nnplug-run"}
    for spec in found.values():
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert str(spec["securityContext"]["runAsUser"]) in (ROOT / "Dockerfile").read_text()
        (container,) = spec["containers"]
        assert container["securityContext"] == HARD
        assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in spec["volumes"]}
        assert set(container) <= {
            "name",
            "image",
            "command",
            "args",
            "env",
            "securityContext",
            "resources",
            "volumeMounts",
        }


def test_services_and_deployments_select_their_pods():
    versions = {"Service": "v1", "Deployment": "apps/v1", "Job": "batch/v1"}
    for one in manifests():
        assert set(one) == {"apiVersion", "kind", "metadata", "spec"}
        assert one["apiVersion"] == versions[one["kind"]]
        if one["kind"] == "Deployment":
            assert one["spec"]["selector"]["matchLabels"] == one["spec"]["template"]["metadata"]["labels"]
    service, scheduler = manifests()[:2]
    assert service["spec"]["selector"] == scheduler["spec"]["selector"]["matchLabels"]
    assert str(service["spec"]["ports"][0]["port"]) in pods()["nnplug-scheduler"]["containers"][0]["command"]


def test_the_script_of_slurm_is_a_script(tmp_path):
    (text,) = blocks("bash")
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", line) for line in text.splitlines() if line.startswith("#SB"))


def test_the_script_of_slurm_queues_itself_again_after_the_time_limit_only(tmp_path):
    (text,) = blocks("bash")
    for code, queued in ((143, "requeue 7_2\n"), (0, ""), (1, "")):
        (tmp_path / "srun").write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / "scontrol").write_text('#!/bin/sh\necho "$@"\n')
        for name in ("srun", "scontrol"):
            (tmp_path / name).chmod(0o755)
        given = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}
        done = subprocess.run(["bash"], input=text, env=given, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (code, queued)


@pytest.mark.slow  # a scheduler, a worker and a command, each a Python that imports Dask
def test_the_commands_of_kubernetes_work_together(tmp_path):
    def words(name, key):
        port = "18786"
        (container,) = pods()[name]["containers"]
        places = {"nnplug-scheduler:8786": f"127.0.0.1:{port}", "8786": port, "/tmp": str(tmp_path)}
        places |= {"/work/Dataset123_Liver": str(dataset.folder), "/work/results": str(tmp_path / "w")}
        text = "\0".join(container[key])
        for here, there in places.items():
            text = text.replace(here, there) if there not in text else text
        return [str(BIN / "dask"), *text.split("\0")[1:]] if key == "command" else text.split("\0")

    dataset = write_phantom(tmp_path / "Dataset123_Liver", cases=2, unseen=0, shape=(24, 28, 24))
    started = [
        subprocess.Popen([sys.executable, "-m", "dask", *words(name, "command")[1:]], stderr=subprocess.DEVNULL)
        for name in ("nnplug-scheduler", "nnplug-worker")
    ]
    try:
        time.sleep(1)
        result = CliRunner().invoke(main, [*words("nnplug-run", "args"), "--until", "fingerprint"])
        assert result.exit_code == 0, result.output
        assert (tmp_path / "w" / "Dataset123_Liver" / "fingerprint.json").exists()
        assert [process.poll() for process in started] == [None, None]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)


def test_commands_of_nnplug_on_the_page_are_parsed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Dataset123_Liver").mkdir()
    runs = [line.split("nnplug", 1)[1] for line in PAGE.splitlines() if re.match(r"(srun |)nnplug ", line)]
    assert len(runs) == 2
    for line in runs:
        words = shlex.split(line.replace("$SLURM_ARRAY_TASK_ID", "0"))
        command = main.get_command(None, words[0])
        command.make_context(words[0], words[1:])


def test_the_version_of_the_image_is_that_of_the_wheels():
    assert "--build-arg VERSION=$(cat VERSION)" in PAGE
    assert str(Version(version())) == version()
