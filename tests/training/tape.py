"""A stand-in for a CUDA graph on a CPU: it records operations, and repeats them on the same memory.

As with a CUDA graph, a recorded step does not run, its results have no numbers before a replay, its
numbers of Python stay those of the recording, and an operation after which Python knows a number of
a tensor is an error. It does not see streams, and what an operation does inside.
"""

from contextlib import contextmanager

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

_WAITING = {
    *("_local_scalar_dense", "nonzero", "masked_select", "bincount", "_unique2"),
    *("unique_consecutive", "equal"),
}


class Tape(TorchDispatchMode):
    """A recorded step.

    Attributes:
        replays: the number of replays.
    """

    def __init__(self):
        super().__init__()
        self.replays = 0
        self._operations = []
        self._before = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        masks = [t for t in pytree.tree_leaves(args[1:2]) if getattr(t, "dtype", 0) is torch.bool]
        name = func.overloadpacket.__name__
        if name in _WAITING or (masks and name.startswith("index")):
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")
        for value, argument in zip(args, func._schema.arguments, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                written = [t for t in pytree.tree_leaves(value) if isinstance(t, torch.Tensor)]
                self._before += [(t, t.clone()) for t in written]
        out = func(*args, **kwargs)
        self._operations.append((func, args, kwargs, out))
        return out

    def __exit__(self, *error):
        super().__exit__(*error)
        with torch.no_grad():
            for func, _, _, out in self._operations:
                if not func.is_view and not func._schema.is_mutable:
                    for tensor in pytree.tree_leaves(out):
                        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                            _memory(tensor).fill_(torch.nan)
            for tensor, value in reversed(self._before):
                tensor.copy_(value)
        self._before.clear()

    @torch.no_grad()
    def replay(self):
        self.replays += 1
        for func, args, kwargs, out in self._operations:
            if func.is_view:
                continue
            new = func(*args, **kwargs)
            if not func._schema.is_mutable:
                pairs = zip(pytree.tree_leaves(out), pytree.tree_leaves(new), strict=True)
                for kept, value in pairs:
                    if isinstance(kept, torch.Tensor):
                        _memory(kept).copy_(value)


def _memory(tensor):
    """The numbers of a tensor without its place in autograd."""
    return tensor.detach()


@contextmanager
def recording(others):
    with Tape() as tape:
        yield tape
