"""`make bench`: which operations take the time of a training step on a CPU, on one thread.

The floor of `bench.py` has the speed of one product again and again, whose factors stay in the
cache. In a step the factors of most products come from memory, so a second floor has the speed of
the same product with factors from memory.
"""

import statistics
from collections import Counter
from collections.abc import Iterator

import torch
from bench import (
    COMMON_FLOPS,
    PLAIN,
    REPEATS,
    A,
    B,
    common_products,
    show,
    take_turns,
    training_step,
)
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from lkm_tune.models import build_model

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
KINDS = ("products", "kernels", "other")
FROM_MEMORY = torch.randn(50, *A.shape)
"""115 MB of first factors, more than a share of a cache."""


def products_from_memory() -> None:
    for factor in FROM_MEMORY:
        factor @ B


def parts() -> Iterator[tuple[object, ...]]:
    """The parts of a step, and the time of its products in their place against both floors."""
    yield (
        *("model", "step s", "products", "kernels", "other operations"),
        *("products / floor", "products / floor from memory"),
    )
    for name in PLAIN:
        step = training_step(build_model(name))
        with FlopCounterMode(display=False) as counter:
            step()
        flops = counter.get_total_flops() / COMMON_FLOPS
        floors, kinds = [], Counter[str]()
        for _ in range(REPEATS):
            # The speed of a virtual machine changes within minutes, so the products take turns.
            floors.append(take_turns(common_products, products_from_memory, repeats=1))
            with profile(activities=[ProfilerActivity.CPU]) as profiled:
                step()
            for event in profiled.key_averages():
                kinds[kind_of(event.key)] += event.self_cpu_time_total / 1e6 / REPEATS
        whole = sum(kinds.values())
        shares = [f"{kinds[kind] / whole:.0%}" for kind in KINDS]
        near, far = (flops * statistics.median(of_kind) for of_kind in zip(*floors, strict=True))
        yield name, whole, *shares, kinds["products"] / near, kinds["products"] / far


def kind_of(operation: str) -> str:
    """The kind of an operation of the profile."""
    if operation in PRODUCTS:
        return "products"
    # An operation with a custom backward pass has the name of its class.
    return "kernels" if operation.removesuffix("Backward").isalpha() else "other"


if __name__ == "__main__":
    torch.set_num_threads(1)
    show("The parts of a training step at published size, with torch's profiler", parts())
