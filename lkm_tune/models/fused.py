"""The steps that cost most, each as one operation with a backward pass of its own.

Each has two forms that give the same numbers up to rounding. The plain one is torch's, for every
device and precision. The other one is in `kernels.c`, for numbers in single precision on a CPU: it
goes over the edges once in each direction, where torch fetches and stores rows of edges for each
addition, σ, product and sum.

Where a backward pass must itself be differentiable (a loss on forces), it is computed by autograd
from the plain form.
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lkm_tune.models.compiled import kernels

Grads = tuple[Tensor | None, ...]


def dense(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """σ(x W^T + b): [R, P] to [R, Q]."""
    return _apply(_Dense, _plain_dense, (x, weight, bias), ())


def messages(
    here: Tensor,
    there: Tensor,
    edge: Tensor,
    weights: Tensor,
    at: Tensor,
    of: Tensor,
    kind: Tensor,
    onto: Tensor | None = None,
) -> Tensor:
    """σ(here_i + there_j + edge_k) * weights_k for each edge, i = at, j = of, k = kind.

    Args:
        here: [N, D].
        there: [N, D].
        edge: [K, D].
        weights: [K, D].
        at: the atom of each edge, int64 [E].
        of: the other atom of each edge, int64 [E].
        kind: the row of `edge` and `weights` that belongs to each edge, int64 [E].
        onto: what the messages of each atom's edges are added to [N, D].

    Returns:
        The messages [E, D], or their sums with `onto` [N, D].
    """
    tensors = (here, there, edge, weights, onto)
    return _apply(_Messages, _plain_messages, tensors, (at, of, kind))


def deliver(
    x: Tensor, u: Tensor, of: Tensor, to: Tensor | None = None, onto: Tensor | None = None
) -> Tensor:
    """x_f * σ(u_t) for each pair t = (e, f), e = to, f = of.

    Args:
        x: [F, D].
        u: [T, D].
        of: f of each pair, int64 [T].
        to: e of each pair, int64 [T]; with `onto`.
        onto: what the results of each e are added to [B, D].

    Returns:
        The products [T, D], or their sums with `onto` [B, D].
    """
    return _apply(_Deliver, _plain_deliver, (x, u, onto), (of, to))


def _plain_dense(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return functional.silu(functional.linear(x, weight, bias))


def _plain_messages(
    here: Tensor, there: Tensor, edge: Tensor, weights: Tensor, onto: Tensor | None,
    at: Tensor, of: Tensor, kind: Tensor,
) -> Tensor:  # fmt: skip
    u = here.index_select(0, at) + there.index_select(0, of) + edge.index_select(0, kind)
    sent = functional.silu(u) * weights.index_select(0, kind)
    return sent if onto is None else onto.index_add(0, at, sent)


def _plain_deliver(
    x: Tensor, u: Tensor, onto: Tensor | None, of: Tensor, to: Tensor | None
) -> Tensor:
    sent = x.index_select(0, of) * functional.silu(u)
    return sent if onto is None or to is None else onto.index_add(0, to, sent)


def _apply(
    function: type[torch.autograd.Function],
    plain: Callable[..., Tensor],
    tensors: Sequence[Tensor | None],
    rest: Sequence[Tensor | None],
) -> Tensor:
    """The one place where a form is chosen."""
    library = kernels() if all(t is None or _suits(t) for t in tensors) else None
    if library is None or torch.compiler.is_compiling():
        return plain(*tensors, *rest)
    result: Tensor = function.apply(library, *tensors, *rest)  # type: ignore[no-untyped-call]
    return result


def _suits(tensor: Tensor) -> bool:
    return tensor.dtype is torch.float32 and tensor.device.type == "cpu"


def _by_autograd(
    plain: Callable[..., Tensor],
    tensors: Sequence[Tensor | None],
    rest: Sequence[Any],
    grad: Tensor,
) -> Grads:
    """The gradients of a plain form, differentiable once more, as a backward pass returns them."""
    # Views: what one input owes to another must not be counted here.
    views = [None if t is None else t.view_as(t) for t in tensors]
    wanted = [t for t in views if t is not None and t.requires_grad]
    found = iter(torch.autograd.grad(plain(*views, *rest), wanted, grad, create_graph=True))
    grads = [next(found) if t is not None and t.requires_grad else None for t in views]
    return (None, *grads, *(None for _ in rest))


def _at(*tensors: Tensor | None) -> list[int | None]:
    """Where the numbers of each tensor lie in memory."""
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


def _whole(*tensors: Tensor) -> list[Tensor]:
    return [tensor.contiguous() for tensor in tensors]


def _base(onto: Tensor | None, rows: int, like: Tensor) -> Tensor:
    """What sums are added to, in memory of its own."""
    if onto is None:
        return like.new_zeros(rows, like.shape[1])
    return onto.clone(memory_format=torch.contiguous_format)


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, x: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        u = functional.linear(x, weight, bias)
        m = torch.empty_like(u)
        library.lkm_activate(u.numel(), *_at(u, m))
        slope = u  # that is what the kernel leaves there
        ctx.library = library
        ctx.save_for_backward(x, weight, bias, slope)
        return m

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Grads:
        x, weight, bias, slope = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _by_autograd(_plain_dense, (x, weight, bias), (), grad)
        _, for_x, for_weight, for_bias = ctx.needs_input_grad
        grad, inner = grad.contiguous(), torch.empty_like(slope)
        total = slope.new_zeros(slope.shape[1])
        ctx.library.lkm_activate_back(*slope.shape, *_at(grad, slope, inner, total))
        return (
            None,
            inner @ weight if for_x else None,
            inner.t() @ x if for_weight else None,
            total if for_bias else None,
        )


class _Messages(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL,
        here: Tensor, there: Tensor, edge: Tensor, weights: Tensor, onto: Tensor | None,
        *indices: Tensor,
    ) -> Tensor:  # fmt: skip
        inputs, indices = _whole(here, there, edge, weights), tuple(_whole(*indices))
        edges, to = indices[0].shape[0], None if onto is None else indices[0]
        total = _base(onto, edges, edge)
        library.lkm_messages(edges, total.shape[1], *_at(to, *indices, *inputs, total))
        ctx.library, ctx.to, ctx.indices = library, to, indices
        ctx.save_for_backward(*inputs)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Grads:
        inputs, to, indices = ctx.saved_tensors, ctx.to, ctx.indices
        for_onto = None if to is None else grad
        if torch.is_grad_enabled():
            onto = None if to is None else torch.zeros_like(grad)
            first, *grads = _by_autograd(_plain_messages, (*inputs, onto), indices, grad)[:5]
            return (first, *grads, for_onto, None, None, None)
        grad, grads = grad.contiguous(), [torch.zeros_like(tensor) for tensor in inputs]
        pointers = _at(to, *indices, *inputs, grad, *grads)
        ctx.library.lkm_messages_back(indices[0].shape[0], grad.shape[1], *pointers)
        return (None, *grads, for_onto, None, None, None)


class _Deliver(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, x: Tensor, u: Tensor, onto: Tensor | None,
        of: Tensor, to: Tensor | None,
    ) -> Tensor:  # fmt: skip
        (x, u, of), to = _whole(x, u, of), None if to is None else to.contiguous()
        total = _base(onto, u.shape[0], u)
        library.lkm_deliver(*u.shape, *_at(to, of, x, u, total))
        ctx.library, ctx.of, ctx.to = library, of, to
        ctx.save_for_backward(x, u)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Grads:
        (x, u), of, to = ctx.saved_tensors, ctx.of, ctx.to
        for_onto = None if to is None else grad
        if torch.is_grad_enabled():
            onto = None if to is None else torch.zeros_like(grad)
            _, for_x, for_u, *_ = _by_autograd(_plain_deliver, (x, u, onto), (of, to), grad)
            return (None, for_x, for_u, for_onto, None, None)
        grad, for_x, for_u = grad.contiguous(), torch.zeros_like(x), torch.empty_like(u)
        ctx.library.lkm_deliver_back(*u.shape, *_at(to, of, x, u, grad, for_x, for_u))
        return (None, for_x, for_u, for_onto, None, None)
