"""A pretended GPU: real numbers, CUDA's rule that devices do not mix, and a count of waits.

It sees an operation on tensors of two devices, and an operation after which Python knows a number
of a tensor, for which a GPU stops. It does not see times, streams or pinned memory.
"""

import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)


class _Module(_DummyBackendModule):
    get_rng_state = staticmethod(lambda device=0: torch.get_rng_state())
    set_rng_state = staticmethod(lambda state, device=0: None)


# A device guard and a queue of autograd's.
_setup_privateuseone_for_python_backend("pgpu", backend_module=_Module())
GPU = torch.device("pgpu", 0)

WAITS: Counter = Counter()
"""The number of waits by operation and by line of the package."""

_WAITING = {
    *("_local_scalar_dense", "nonzero", "masked_select", "bincount", "_unique2"),
    *("unique_consecutive", "equal"),
}


class _Held(torch.Tensor):
    """A tensor on the pretended GPU, which holds its numbers in a tensor on the CPU."""

    def __new__(cls, held):
        return cls._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(),
            dtype=held.dtype, device=GPU, requires_grad=held.requires_grad,
        )  # fmt: skip

    def __init__(self, held):
        self.held = held

    def tolist(self):
        _note("tolist")
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _note(what):
    ours = [f for f in traceback.extract_stack() if "/lkm_tune/" in f.filename]
    line = f"{ours[-1].filename.split('/lkm_tune/')[-1]}:{ours[-1].lineno}" if ours else "?"
    WAITS[what, line] += 1


def _run(func, args, kwargs):
    leaves = pytree.arg_tree_leaves(*args, **kwargs)
    tensors = [t for t in leaves if isinstance(t, torch.Tensor)]
    mine = [t for t in tensors if isinstance(t, _Held)]
    name, to = func.overloadpacket.__name__, kwargs.get("device")
    here = to is not None and torch.device(to).type == GPU.type
    if not mine and not here:
        return func(*args, **kwargs)
    copy = name in ("_to_copy", "copy_")
    one_device = all(isinstance(t, _Held) or not t.dim() for t in tensors)
    assert copy or not mine or one_device, f"{func} mixes {GPU} and cpu"
    masks = name.startswith("index") and any(
        getattr(t, "dtype", None) is torch.bool for t in pytree.tree_leaves(args[1:2])
    )
    if name in _WAITING or masks or func is torch.ops.aten.repeat_interleave.Tensor:
        _note(name)
    sides = {isinstance(t, _Held) for t in tensors} | ({here} if to is not None else set())
    ends = name == "copy_" and args[2:3] == (True,)
    if copy and len(sides) == 2 and not kwargs.get("non_blocking") and not ends:
        _note("copy")
    real, named = pytree.tree_map(lambda t: t.held if isinstance(t, _Held) else t, (args, kwargs))
    out = func(*real, **(named | {"device": "cpu"} if here else named))
    stays = isinstance(args[0], _Held) if name == "copy_" else to is None
    if not (here or stays):
        return out
    wrapped = pytree.tree_map(lambda t: _Held(t) if isinstance(t, torch.Tensor) else t, out)
    aliases = mine and name != "_local_scalar_dense"
    return return_and_correct_aliasing(func, args, kwargs, wrapped) if aliases else wrapped


class Pretend(TorchDispatchMode):
    """A context in which torch has the device `pgpu`."""

    def __enter__(self):
        torch._C._set_only_lift_cpu_tensors(True)
        return super().__enter__()

    def __exit__(self, *error):
        torch._C._set_only_lift_cpu_tensors(False)
        return super().__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def thread(max_workers):
    """Threads that have the device, too: a mode of torch belongs to one thread."""
    return ThreadPoolExecutor(max_workers, initializer=lambda: Pretend().__enter__())
