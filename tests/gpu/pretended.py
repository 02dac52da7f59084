"""A CUDA device that computes shapes, dtypes, devices and memory orders, but no numbers.

It runs real code on fake tensors and counts what the code would do on a GPU: operations, waits of the host for the
device, copies between them, and the peak of allocated bytes. It replaces private functions of PyTorch, so `pretend` is
called in a process of its own, before anything else uses torch.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

VIEWS = frozenset(
    [
        "view",
        "_unsafe_view",
        "t",
        "transpose",
        "permute",
        "expand",
        "select",
        "slice",
        "unsqueeze",
        "squeeze",
        "detach",
        "alias",
        "as_strided",
        "unbind",
        "split",
        "chunk",
        "unfold",
        "lift_fresh",
        "empty",
        "empty_like",
        "empty_strided",
        "new_empty",
        "new_empty_strided",
        "_reshape_alias",
        "sym_size",
        "is_pinned",
        "set_",
        "record_stream",
        "resize_",
        "prim",
        "device",
        "layout",
        "size",
        "stride",
    ]
)
"""Operations that launch no kernel."""
WAITS = frozenset(
    [
        "_local_scalar_dense",
        "nonzero",
        "masked_select",
        "_unique2",
        "unique_dim",
        "unique_consecutive",
        "equal",
        "is_nonzero",
        "item",
        "bincount",
        "repeat_interleave",
    ]
)
"""Operations for whose result the host waits."""
_BLOCK = 512  # bytes; PyTorch's allocator rounds up to them


def build(folder: Path) -> Path:
    """Compile the device and return its library.

    Raises:
        FileNotFoundError: there is no C++ compiler.
        subprocess.CalledProcessError: the source does not fit this PyTorch.
    """
    torch = _torch_folder()
    library = folder / "pretended_cuda.so"
    includes = [f"-I{torch / 'include'}", f"-I{torch / 'include/torch/csrc/api/include'}"]
    source = Path(__file__).with_name("guard.cpp")
    command = ["c++", "-std=c++20", "-shared", "-fPIC", "-O0", *includes, str(source), "-o", str(library)]
    subprocess.run(command, check=True, capture_output=True)
    return library


def _torch_folder() -> Path:
    found = find_spec("torch")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def pretend(library: Path) -> None:
    """Make this process believe that it has one GPU; see `counted`."""
    for name in ("libc10.so", "libtorch_cpu.so"):
        ctypes.CDLL(str(_torch_folder() / "lib" / name), mode=ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    import torch
    import torch._dynamo  # before classes of PyTorch are replaced, because it names them in annotations
    import torch.cuda.amp.common
    import torch.distributed

    torch._C._set_only_lift_cpu_tensors(True)
    torch.cuda.amp.common.amp_definitely_not_available = lambda: False
    torch.cuda.is_available = lambda: True
    torch.cuda.is_initialized = lambda: False
    torch.cuda.get_device_capability = lambda *_: (9, 0)
    torch.cuda.is_bf16_supported = lambda *_, **__: True
    torch.cuda.memory_reserved = torch.cuda.memory_allocated = lambda *_: 0
    torch.cuda.current_device = lambda: 0
    torch.cuda.get_per_process_memory_fraction = lambda *_: 1.0
    torch.backends.cudnn.flags = lambda **_: _nothing()
    generator = torch.Generator
    torch.Generator = lambda device="cpu": generator("cpu")
    _replace_data_ptr()
    torch.Tensor.pin_memory = lambda tensor, *_: tensor.clone()
    empty = torch.empty
    torch.empty = lambda *sizes, pin_memory=False, **kwargs: empty(*sizes, **kwargs)
    torch._C._conv_determine_backend_memory_format = _order_of_convolution
    torch.nn.Module._apply = _apply
    _replace_numpy()


def outside(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs with real tensors, whatever mode its caller runs in."""

    def call(*args: Any, **kwargs: Any) -> Any:
        from torch.utils._python_dispatch import _disable_current_modes

        with _disable_current_modes():
            return function(*args, **kwargs)

    return call


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def set_free_memory(*free: int) -> None:
    """Let the GPU have this many bytes of free memory each time that it is asked; the last number stays."""
    import torch

    left = list(free)
    torch.cuda.mem_get_info = lambda *_: (left.pop(0) if len(left) > 1 else left[0], 80 << 30)


@dataclass
class Counts:
    """What code would do on a GPU.

    Attributes:
        operations: kernels by name; a lower bound of launches.
        phases: the number of kernels of each phase, see `Watch.phase`.
        waits: how often the host waits, by cause; "to host" and "pageable to device" are copies.
        places: where in nnplug it waits, "file:line".
        copied: bytes that are copied within the device to change the order of memory.
        peak: the largest sum of allocated bytes.
        now: the bytes allocated at present.
        mixed_orders: how many operations mix the memory orders of one parameter's tensors in a fused optimiser.
    """

    operations: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)
    copied: int = 0
    peak: int = 0
    now: int = 0
    mixed_orders: int = 0

    def data(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {
            "dispatches": sum(self.operations.values()),
            "phases": dict(self.phases),
            "waits": dict(self.waits),
            "places": dict(self.places.most_common(12)),
            "copied": self.copied,
            "peak": self.peak,
            "mixed_orders": self.mixed_orders,
            "operations": dict(self.operations.most_common(25)),
        }


def watch() -> Any:
    """Return a mode that counts in `.counts` what runs in it; `.phase` names the present phase."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.counts, self.phase = Counts(), ""
            self._sizes: dict[int, int] = {}
            self._alive: dict[int, weakref.ref[Any]] = {}

        def restart(self) -> None:
            """Count from zero; what is allocated stays allocated."""
            self.counts = Counts(peak=self.counts.now, now=self.counts.now)

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return _dispatch(self, func, args, kwargs or {})

        def allocated(self, tensor: Any) -> None:
            """Count the storage of a tensor once, until it is gone."""
            storage = tensor.untyped_storage()
            key, size = storage._cdata, -(-storage.nbytes() // _BLOCK) * _BLOCK
            if tensor.device.type != "cuda" or key in self._sizes:
                return

            def gone(_: Any) -> None:
                self.counts.now -= self._sizes.pop(key)

            self._sizes[key], self._alive[key] = size, weakref.ref(storage, gone)
            self.counts.now += size
            self.counts.peak = max(self.counts.peak, self.counts.now)

        def waited(self, cause: str) -> None:
            """Count a wait of the host, and where."""
            self.counts.waits[cause] += 1
            self.counts.places[f"{self.phase}: {cause} at {_place()}"] += 1

    import torch

    mode = Watch()
    before = 0

    def restart_peak(*_: Any) -> None:
        nonlocal before
        before, mode.counts.peak = mode.counts.now, mode.counts.now

    torch.cuda.reset_peak_memory_stats = restart_peak
    torch.cuda.max_memory_allocated = lambda *_: mode.counts.peak - before  # as if nothing was allocated before
    return mode


def _place() -> str:
    import traceback

    frames = [f for f in traceback.extract_stack() if "nnplug" in f.filename and "tests/gpu" not in f.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "elsewhere"


def _tensors(tree: Any) -> list[Any]:
    import torch

    return [leaf for leaf in torch.utils._pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _dispatch(mode: Any, func: Any, args: Any, kwargs: Any) -> Any:
    name = func._schema.name.split("::")[1]
    inputs = _tensors((args, kwargs))
    on_device = any(tensor.device.type == "cuda" for tensor in inputs)
    if on_device and name in WAITS:
        mode.waited(name)
    if name == "_local_scalar_dense" and type(inputs[0]).__name__ == "FakeTensor":  # which has no value
        return _value(inputs[0])
    if on_device and name in ("index", "index_put", "index_put_"):
        masks = [i for i in args[1] if i is not None and str(i.dtype) in ("torch.bool", "torch.uint8")]
        mode.counts.waits.update(["boolean index"] * len(masks))
    if name.startswith("_fused_"):  # fake tensors have no fused optimisers
        mode.counts.mixed_orders += _mixed_orders(args)
        _count(mode, name)
        return None
    _forget_constants(inputs, kwargs, on_device=on_device)
    sources = [tensor.device.type for tensor in inputs]
    result = func(*args, **kwargs)
    outputs = _tensors(result)
    if name in ("_to_copy", "copy_"):
        _note_copy(mode, name, sources, outputs, kwargs, args)
    if on_device or any(tensor.device.type == "cuda" for tensor in outputs):
        for tensor in (*outputs, *inputs):
            mode.allocated(tensor)
        if name not in VIEWS:
            _count(mode, name)
        if name in ("clone", "copy_"):
            mode.counts.copied += outputs[0].numel() * outputs[0].element_size()
    return result


def _value(tensor: Any) -> bool | int | float:
    if tensor.constant is not None:
        found: bool | int | float = tensor.constant.item()
        return found
    if str(tensor.dtype) == "torch.bool":
        return True
    return 1.0 if tensor.dtype.is_floating_point else 1


def _count(mode: Any, name: str) -> None:
    mode.counts.operations[name] += 1
    mode.counts.phases[mode.phase] += 1


def _forget_constants(tensors: list[Any], kwargs: Any, *, on_device: bool) -> None:
    """Let a constant of the host become a tensor of the device without being computed."""
    if on_device or getattr(kwargs.get("device"), "type", "") == "cuda":
        for tensor in tensors:
            if getattr(tensor, "constant", None) is not None:
                tensor.constant = None


def _note_copy(mode: Any, name: str, sources: list[str], outputs: list[Any], kwargs: Any, args: Any) -> None:
    source, target = (sources[0], outputs[0].device.type) if name == "_to_copy" else (sources[1], sources[0])
    asynchronous = kwargs.get("non_blocking", len(args) > 2 and args[2])
    if (source, target) == ("cuda", "cpu"):
        mode.waited("to host")
    if (source, target) == ("cpu", "cuda") and not asynchronous:
        mode.waited("pageable to device")


def _mixed_orders(args: Any) -> int:
    """Return the number of parameters whose weights, gradients and averages differ in their order of memory."""
    lists = [a for a in args if isinstance(a, list | tuple) and _tensors(a)]
    groups = [group for group in zip(*lists, strict=False) if len({t.shape for t in group}) == 1]
    return sum(len({_strides(tensor) for tensor in group}) > 1 for group in groups)


def _strides(tensor: Any) -> tuple[int, ...]:
    return tuple(stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size != 1)


def _order_of_convolution(image: Any, weight: Any, _: Any) -> Any:
    """Return the order in which cuDNN gives its result: channels last if image or weight is."""
    import torch

    last = torch.channels_last if weight.dim() == 4 else torch.channels_last_3d
    asked = [t for t in (image, weight) if t.is_contiguous(memory_format=last) and not t.is_contiguous()]
    return last if asked else torch.contiguous_format


def _apply(module: Any, function: Any, recurse: bool = True) -> Any:
    """Move a module to another device by new parameters: PyTorch swaps storages, which fake tensors cannot."""
    import torch

    for child in module.children():
        child._apply(function)
    with torch.no_grad():
        for name, parameter in module._parameters.items():
            if parameter is not None and (moved := function(parameter)) is not parameter:
                module._parameters[name] = torch.nn.Parameter(moved.detach(), parameter.requires_grad)
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else function(buffer)
    return module


def _replace_data_ptr() -> None:
    """Give fake tensors, which have no memory, an address; files are written from the memory of the others."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensor

    real = torch.Tensor.data_ptr
    torch.Tensor.data_ptr = lambda tensor: id(tensor) if isinstance(tensor, FakeTensor) else real(tensor)


def _replace_numpy() -> None:
    import numpy as np
    import torch
    from torch._subclasses.fake_tensor import FakeTensor

    real = torch.Tensor.numpy

    def numpy(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(self, FakeTensor):
            return real(self, *args, **kwargs)
        if self.device.type != "cpu":
            raise TypeError(f"can't convert {self.device} device type tensor to numpy")
        return np.zeros(tuple(self.shape), str(self.dtype).removeprefix("torch."))

    torch.Tensor.numpy = numpy


if __name__ == "__main__":
    sys.stdout.write(str(build(Path(sys.argv[1]))))
