"""Report the limits of this machine, in the order in which a training reaches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nnplug.contracts.capabilities import with_memory_target
from nnplug.contracts.kinds import PLANNER
from nnplug.errors import Line, NnplugError, without_remedy
from nnplug.preparation.make_plans import choose
from nnplug.registry.attribution import attributed
from nnplug.registry.components import Kind, Registry
from nnplug.registry.installed import installed_distributions
from nnplug.registry.loader import Plugin, Plugins, Status
from nnplug.remedies import Action, Names
from nnplug.runtime.machine import Gpu, Machine, Space, inspect_machine
from nnplug.runtime.records import Record

GB = 1_000_000_000

# Round figures. Below them, users of nnU-Net report killed workers, full disks and idle GPUs.
LOW_MEMORY = 8 * GB
LOW_DISK = 20 * GB
LOW_SHARED_MEMORY = 1 * GB
CORES_PER_GPU = 4
_SHARED = "/dev/shm"  # noqa: S108 - its name


class Finding(Record, frozen=True, kw_only=True):
    """The state of one part of the machine.

    Attributes:
        what: "cores", "memory", ..
        found: the state, as text for the user.
        limit: the limitation and its remedy; None if there is none.
    """

    what: str
    found: str
    limit: str | None = None


class Diagnosis(Record, frozen=True, kw_only=True):
    """All findings, and the figures behind them (bytes and counts, as in `nnplug.runtime.machine`).

    Attributes:
        findings: one for each part of the machine.
        machine: the figures.
        distributions: name -> version of nnplug's installed distributions and of every plugin's.
    """

    findings: tuple[Finding, ...]
    machine: Machine
    distributions: dict[str, str]


def diagnose(workspace: Path, plugins: Plugins) -> Diagnosis:
    """Return the diagnosis of this machine.

    Args:
        workspace: selects the disk; the folder need not exist.
        plugins: the installed plugins.
    """
    machine = inspect_machine(workspace)
    target = planned_memory(plugins.registry) if machine.gpus else None
    findings = (*judge(machine, workspace, memory_target=target), _plugins(list(plugins)))
    return Diagnosis(findings=findings, machine=machine, distributions=installed_distributions())


def planned_memory(registry: Registry) -> float | None:
    """Return the GB of device memory that the default recipe plans for; None without such a recipe or target."""
    try:
        choice = choose(registry, None, {}, {})[0][Kind.PLANNER]
        entry = registry.get(PLANNER, choice.name)
        made = entry.create(choice.options)
        with attributed(made):
            planner = with_memory_target(entry, made)
            return planner.memory_target() if planner else None
    except NnplugError:
        return None  # planning reports it with its remedy


def judge(machine: Machine, workspace: Path, *, memory_target: float | None = None) -> Iterator[Finding]:
    """Yield a finding for each part of the machine.

    Args:
        machine: its figures.
        workspace: the folder on the disk that is reported.
        memory_target: the GB of device memory that plans are made for; None if they have no such target.
    """
    software = f"Python {machine.python}, PyTorch {machine.torch}, {machine.system}"
    yield Finding(what="software", found=software)
    for part in _PARTS:
        yield part(machine)
    yield _gpu(machine, memory_target)
    yield _bf16(machine)
    yield _disk(machine, workspace)


def _plugins(plugins: Sequence[Plugin]) -> Finding:
    """Return the number of plugins, and those that failed or are slow to import."""
    loaded = [plugin for plugin in plugins if plugin.status is Status.LOADED]
    limits = [f"{p} is off ({p.reason})" for p in plugins if p.status is Status.FAILED]
    limits += [f"{p}: {fault}" for p in plugins for fault in p.faults]
    slow = [p for p in plugins if p.delay]
    limits += [f"{p} {without_remedy(p.delay)}" for p in slow]
    limit = "; ".join(limits)
    if slow:
        limit = Line(limit, Action.BLOCK_PLUGINS(names=Names(p.source.distribution for p in slow)))
    found = f"{len(loaded)} of {len(plugins)} loaded, in {sum(p.seconds for p in plugins):.1f} s"
    return Finding(what="plugins", found=found, limit=limit or None)


def _cores(machine: Machine) -> Finding:
    found = f"{machine.cores} of {machine.cores_installed} ({machine.processor})"
    needed = CORES_PER_GPU * len(machine.gpus)
    limit = None
    if machine.cores < needed:
        limit = Line(f"augmentation may keep the GPU waiting: it wants about {needed} cores.", Action.SHOW_WAIT())
    return Finding(what="cores", found=found, limit=limit)


def _memory(machine: Machine) -> Finding:
    limit = None
    if machine.memory.free < LOW_MEMORY:
        limit = Line("large images need more", Action.USE_ONE_THREAD())
    return Finding(what="memory", found=_free(machine.memory), limit=limit)


def _shared_memory(machine: Machine) -> Finding:
    if machine.shared_memory is None:
        return Finding(what=_SHARED, found="none; nnplug loads data with threads and needs none")
    limit = None
    if machine.shared_memory.free < LOW_SHARED_MEMORY and len(machine.gpus) > 1:
        limit = "training on several GPUs passes data through it; in Docker start with --shm-size=8g or --ipc=host."
    found = f"{_free(machine.shared_memory)}; nnplug's loader does not use it"
    return Finding(what=_SHARED, found=found, limit=limit)


def _gpu(machine: Machine, memory_target: float | None) -> Finding:
    if not machine.gpus:
        return Finding(what="GPU", found="none that PyTorch can use; networks run on the CPU", limit=_why_none(machine))
    found = "; ".join(f"{gpu.name}, {_free(gpu.memory)}" for gpu in machine.gpus)
    return Finding(what="GPU", found=found, limit=_short_of_memory(machine.gpus, memory_target))


def _why_none(machine: Machine) -> str:
    if machine.nvidia_driver:
        return (
            f"an NVIDIA driver is loaded, but PyTorch {machine.torch} sees no device: install a PyTorch built for CUDA "
            "(pytorch.org), or let the container see the GPU (--gpus all)."
        )
    return Line("training is tens of times slower than on a GPU", Action.SHORTEN_TRAINING())


def _short_of_memory(gpus: tuple[Gpu, ...], memory_target: float | None) -> str | None:
    least = min(gpu.memory.free for gpu in gpus)
    if memory_target is None or least >= memory_target * GB:
        return None
    return Line(
        f"plans are made for {memory_target:g} GB",
        Action.PLAN_WITH_MEMORY(gigabytes=max(1, least // GB)),
    )


def _bf16(machine: Machine) -> Finding:
    cpu = "the CPU has instructions for it" if machine.cpu_bf16 else "the CPU has none and computes in float32"
    gpu = f"{sum(gpu.bf16 for gpu in machine.gpus)} of {len(machine.gpus)} GPUs have it" if machine.gpus else "no GPU"
    return Finding(what="bfloat16", found=f"{cpu}; {gpu}")


def _disk(machine: Machine, workspace: Path) -> Finding:
    limit = None
    if machine.disk.free < LOW_DISK:
        limit = Line("preprocessed cases take several times the compressed images", Action.CHOOSE_DISK())
    return Finding(what="disk", found=f"{_free(machine.disk)} at {workspace.absolute()}", limit=limit)


def _free(space: Space) -> str:
    return f"{space.free / GB:.1f} of {space.total / GB:.1f} GB free"


_PARTS: tuple[Callable[[Machine], Finding], ...] = (_cores, _memory, _shared_memory)
