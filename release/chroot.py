"""Carry out the Dockerfile without a container engine: stages are folders, RUN is a chroot, a run has no network.

    python -m release.chroot build --base ROOT --out FOLDER --build-arg VERSION=0.1.0
    python -m release.chroot run FOLDER --volume HOST:/work -- --version

ROOT is a system as debootstrap makes it; FOLDER gets a folder per stage and image.json. It needs Linux and root.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from release.distributions import ROOT
from release.dockerfile import Image, Instruction, Stage, read, substituted

SYSTEM = 'mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"'
READ_ONLY = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; mount -t tmpfs tmpfs "$1/tmp"'


def in_chroot(root: Path, mounts: str, words: Sequence[str], *, user: str = "0", network: bool = True) -> int:
    """Run a command in a folder as its root file system; return the exit code.

    Args:
        root: the folder.
        mounts: shell commands that mount what the command needs; $1 is the folder. They end with the command.
        words: the command.
        user: number of the user and group.
        network: False gives the command an empty network.
    """
    spaces = ["unshare", "--mount", *([] if network else ["--net"])]
    script = f'set -eu; {mounts}; root=$1; shift; exec chroot --userspec={user}:{user} "$root" "$@"'
    return subprocess.run([*spaces, "sh", "-c", script, "sh", str(root), *words], check=False).returncode


def bound(binds: Sequence[str], *, read_only: bool) -> str:
    """Return shell commands that bind each HOST:INSIDE.

    Args:
        binds: folders; INSIDE is made if it is missing.
        read_only: True keeps the command from changing the host's folders.
    """
    lines = ["true"]
    for host, inside in (one.split(":", 1) for one in binds):
        lines += [f'mkdir -p "$1{inside}"', f'mount --bind {host} "$1{inside}"']
        lines += [f'mount -o remount,bind,ro "$1{inside}"'] if read_only else []
    return "; ".join(lines)


@dataclass(frozen=True)
class Build:
    """A build of all stages.

    Attributes:
        bases: name of a base or stage -> its folder.
        out: the folder of the stages.
        arguments: build arguments.
        binds: HOST:INSIDE for every RUN, read-only.
    """

    bases: dict[str, Path]
    out: Path
    arguments: Mapping[str, str]
    binds: tuple[str, ...]

    def stage(self, number: int, stage: Stage) -> Image:
        """Carry out a stage in a copy of its base; return its image."""
        root = self.out / (stage.name or f"stage-{number}")
        subprocess.run(["cp", "--archive", str(self.bases[stage.base]), str(root)], check=True)
        shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
        self.bases[stage.name or str(number)] = root
        image = Image()
        known: dict[str, str] = {}
        for one in stage.instructions:
            print(f"{stage.name or number}: {one.word} {one.value[:150]}", flush=True)
            variables = known | dict(image.env)
            if one.word == "ARG":
                name, _, default = one.value.partition("=")
                known[name] = self.arguments.get(name, default)
            elif one.word == "RUN":
                self._run(root, one, image, variables)
            elif one.word == "COPY":
                self._copy(root, substituted(one.value, variables))
            else:
                image = image.after(Instruction(one.word, substituted(one.value, variables)))
        (root / image.workdir.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return image

    def _run(self, root: Path, one: Instruction, image: Image, variables: Mapping[str, str]) -> None:
        pairs = [f"{name}={value}" for name, value in variables.items()]
        words = ["/usr/bin/env", "-i", "-C", image.workdir, *pairs, "/bin/sh", "-c", one.value]
        code = in_chroot(root, f"{SYSTEM}; {bound(self.binds, read_only=True)}", words, user=image.user)
        if code:
            sys.exit(f"RUN ended with {code}: {one.value}")

    def _copy(self, root: Path, value: str) -> None:
        *words, target = value.split()
        source = ROOT
        if words[0].startswith("--from="):
            source = self.bases[words.pop(0).removeprefix("--from=")]
        inside = root / target.lstrip("/")
        for pattern in words:
            for file in sorted(source.glob(pattern.lstrip("/"))):
                to = inside / file.name if target.endswith("/") else inside
                to.parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "--archive", str(file), str(to)], check=True)


def build(asked: argparse.Namespace) -> int:
    """Build every stage and write the last one's image."""
    arguments = dict(one.split("=", 1) for one in asked.build_arg)
    stages = read(ROOT / "Dockerfile", arguments)
    asked.out.mkdir(parents=True)
    whole = Build({stages[0].base: asked.base}, asked.out, arguments, tuple(asked.bind))
    images = [whole.stage(number, stage) for number, stage in enumerate(stages)]
    record = {"root": str(whole.bases[str(len(stages) - 1)]), "image": asdict(images[-1])}
    (asked.out / "image.json").write_text(json.dumps(record, indent=2))
    return 0


def run(asked: argparse.Namespace) -> int:
    """Run the image as `docker run --read-only --tmpfs /tmp --network none` does; return the exit code."""
    record = json.loads((asked.image / "image.json").read_text())
    image, root = Image(**record["image"]), Path(record["root"])
    pairs = [f"{name}={value}" for name, value in image.env.items()]
    entrypoint = [asked.entrypoint] if asked.entrypoint else list(image.entrypoint)
    words = ["/usr/bin/env", "-i", "-C", image.workdir, *pairs, *entrypoint, *(asked.arguments or image.cmd)]
    mounts = f"{READ_ONLY}; {SYSTEM}; {bound(asked.volume, read_only=False)}"
    return in_chroot(root, mounts, words, user=image.user, network=False)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    builder = commands.add_parser("build")
    builder.add_argument("--base", type=Path, required=True, help="the folder that stands for BASE")
    builder.add_argument("--out", type=Path, required=True, help="a new folder")
    builder.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    builder.add_argument("--bind", action="append", default=[], metavar="HOST:INSIDE")
    builder.set_defaults(work=build)
    runner = commands.add_parser("run")
    runner.add_argument("image", type=Path, help="the folder of a build")
    runner.add_argument("--volume", action="append", default=[], metavar="HOST:INSIDE")
    runner.add_argument("--entrypoint")
    runner.set_defaults(work=run)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    asked = parser.parse_args(words[:end], argparse.Namespace(arguments=words[end + 1 :]))
    code: int = asked.work(asked)
    return code


if __name__ == "__main__":
    sys.exit(main())
