"""A GPU with too little memory is recognised by all the errors that say so."""

import pytest
import torch

from nnplug.runtime.device_memory import lacks_memory

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_too_little_memory_is_recognised(error):
    assert lacks_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("out of memory"), MemoryError()], ids=repr)
def test_other_errors_are_others(error):
    assert not lacks_memory(error)
