"""The most expensive steps, each as one operation with a custom backward pass.

Each step has two forms that agree up to rounding. One form uses torch, for every device and
precision. The other form is in `kernels.c`, for single precision on a CPU: it goes over the edges
once in each direction, while torch loads and stores rows of edges for each addition, σ, product and
sum.

A backward pass can be differentiated once more, for a loss on forces.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lkm_tune.models.compiled import kernels
from lkm_tune.models.fused_dense import Affine, Dense, plain_dense
from lkm_tune.models.fused_edges import Deliver, Messages

_by_torch_alone = ContextVar("_by_torch_alone", default=False)


@contextmanager
def torch_forms() -> Iterator[None]:
    """Inside of this context every step has the form of torch, the only one for `vmap`."""
    before = _by_torch_alone.set(True)
    try:
        yield
    finally:
        _by_torch_alone.reset(before)


def dense(x: Tensor, affine: Sequence[Affine], skip: Tensor | None = None) -> Tensor:
    """σ(.. σ(x W_1^T + b_1) .. W_k^T + b_k) + skip, from [R, P] to [R, Q].

    Args:
        x: [R, P].
        affine: the weight W_i and bias b_i of each step.
        skip: summand of the result [R, Q].
    """
    parameters = [tensor for step in affine for tensor in step]
    result: Tensor = _apply(Dense, plain_dense, (x, skip, *parameters), ())
    return result


def messages(
    atoms: Tensor, edges: Tensor, at: Tensor, of: Tensor, kind: Tensor, onto: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """σ(here_i + there_j + edge_k) * weight_k for each edge, i = at, j = of, k = kind.

    Args:
        atoms: [here | there], [N, 2D].
        edges: [edge | weight], [K, 2D].
        at: the atom of each edge, int64 [E].
        of: the other atom of each edge, int64 [E].
        kind: the row of `edges` for each edge, rising from 0 to K - 1 without a gap, int64 [E].
        onto: summand of the sums over each atom's edges [N, D].

    Returns:
        The messages [E, D], or their sums with `onto` [N, D]; and `edges` for the next messages, so
        that the kernels add up the gradients of `edges` in place.
    """

    def by_torch(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        return _torch_messages(*inputs), edges

    both: tuple[Tensor, Tensor] = _apply(Messages, by_torch, (atoms, edges, onto), (at, of, kind))
    return both


def deliver(
    x: Tensor,
    u: Tensor,
    bias: Tensor,
    of: Tensor,
    kind: Tensor,
    to: Tensor | None = None,
    onto: Tensor | None = None,
) -> Tensor:
    """x_f * σ(u_k + bias) for each pair (e, f), e = to, f = of, k = kind.

    Args:
        x: [F, D].
        u: [K, D].
        bias: [D].
        of: the index f of each pair, int64 [T].
        kind: the row of `u` for each pair, rising from 0 to K - 1 without a gap, int64 [T].
        to: the index e of each pair, int64 [T]; only with `onto`.
        onto: summand of the sums over each e [B, D].

    Returns:
        The products [T, D], or their sums with `onto` [B, D].
    """
    result: Tensor = _apply(Deliver, _torch_deliver, (x, u, bias, onto), (of, kind, to))
    return result


def _torch_messages(
    atoms: Tensor, edges: Tensor, onto: Tensor | None, at: Tensor, of: Tensor, kind: Tensor
) -> Tensor:
    (here, there), (edge, weight) = atoms.chunk(2, dim=1), edges.chunk(2, dim=1)
    u = here.index_select(0, at) + there.index_select(0, of) + edge.index_select(0, kind)
    sent = functional.silu(u) * weight.index_select(0, kind)
    return sent if onto is None else onto.index_add(0, at, sent)


def _torch_deliver(
    x: Tensor, u: Tensor, bias: Tensor, onto: Tensor | None,
    of: Tensor, kind: Tensor, to: Tensor | None,
) -> Tensor:  # fmt: skip
    sent = x.index_select(0, of) * functional.silu(u + bias).index_select(0, kind)
    return sent if onto is None or to is None else onto.index_add(0, to, sent)


def _apply(
    function: type[torch.autograd.Function],
    by_torch: Callable[..., Any],
    tensors: Sequence[Tensor | None],
    rest: Sequence[Tensor | None],
) -> Any:
    """Chooses the form of a step."""
    # This check comes first, since `torch.compile` cannot trace a library.
    if not torch.compiler.is_compiling() and all(t is None or _suits(t) for t in tensors):
        library = None if _by_torch_alone.get() else kernels()
        if library is not None:
            return function.apply(library, *tensors, *rest)  # type: ignore[no-untyped-call]
    return by_torch(*tensors, *rest)


def _suits(tensor: Tensor) -> bool:
    return tensor.dtype is torch.float32 and tensor.device.type == "cpu"
