"""The name of the device of a run, and copies of tensors to it."""

import platform
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from lkm_tune.graphs import Held, map_tensors

_CPU_INFO = Path("/proc/cpuinfo")
_ALIGNMENT = 64


def device_name(device: torch.device) -> str:
    """The name of the GPU, or of the processor with the number of torch's threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return str(device)
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


def to_device(held: Held, device: torch.device) -> Held:
    """A copy of a dataclass with its tensors on `device`, in one transfer that nothing waits for.

    Args:
        held: a dataclass with tensors on the CPU, also in dataclasses within it.
        device: the device; on a CPU `held` itself comes back.
    """
    if device.type == "cpu":
        return held
    parts: list[Tensor] = []
    map_tensors(held, lambda tensor: parts.append(tensor) or tensor)  # type: ignore[func-returns-value]
    begins, size = [], 0
    for part in parts:
        begins.append(size)
        size += -(-part.nbytes // _ALIGNMENT) * _ALIGNMENT
    buffer = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
    for part, begin in zip(parts, begins, strict=True):
        _part(buffer, begin, part).copy_(part)
    there = buffer.to(device, non_blocking=True)
    moved = (_part(there, begin, part) for part, begin in zip(parts, begins, strict=True))
    return map_tensors(held, lambda _: next(moved))


def _part(buffer: Tensor, begin: int, like: Tensor) -> Tensor:
    """The bytes of `buffer` from `begin` as a tensor of the type and shape of `like`."""
    return buffer[begin : begin + like.nbytes].view(like.dtype).view(like.shape)


@cache
def _processor() -> str:
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
