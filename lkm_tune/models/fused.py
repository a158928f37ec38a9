"""The most expensive steps, each as one operation with a custom backward pass.

Each step has two forms that agree up to rounding. One form uses torch, for every device and
precision. The other form is in `kernels.c`, for single precision on a CPU: it goes over the edges
once in each direction, while torch loads and stores rows of edges for each addition, σ, product and
sum.

If a backward pass must be differentiable (a loss on forces), autograd computes it from the form
of torch.
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lkm_tune.models.compiled import kernels

Affine = tuple[Tensor, Tensor | None]
Grads = tuple[Tensor | None, ...]


def dense(x: Tensor, affine: Sequence[Affine], skip: Tensor | None = None) -> Tensor:
    """σ(.. σ(x W_1^T + b_1) .. W_k^T + b_k) + skip, from [R, P] to [R, Q].

    Args:
        x: [R, P].
        affine: the weight W_i and bias b_i of each step.
        skip: summand of the result [R, Q].
    """
    parameters = [tensor for step in affine for tensor in step]
    result: Tensor = _apply(_Dense, _torch_dense, (x, skip, *parameters), ())
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

    both: tuple[Tensor, Tensor] = _apply(_Messages, by_torch, (atoms, edges, onto), (at, of, kind))
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
    result: Tensor = _apply(_Deliver, _torch_deliver, (x, u, bias, onto), (of, kind, to))
    return result


def _torch_dense(x: Tensor, skip: Tensor | None, *parameters: Tensor) -> Tensor:
    for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
        x = functional.silu(functional.linear(x, weight, bias))
    return x if skip is None else x + skip


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
        library = kernels()
        if library is not None:
            return function.apply(library, *tensors, *rest)  # type: ignore[no-untyped-call]
    return by_torch(*tensors, *rest)


def _suits(tensor: Tensor) -> bool:
    return tensor.dtype is torch.float32 and tensor.device.type == "cpu"


def _by_autograd(
    by_torch: Callable[..., Tensor],
    tensors: Sequence[Tensor | None],
    rest: Sequence[Any],
    grad: Tensor,
) -> Grads:
    """The differentiable gradients of the form of torch, in the order of a backward pass."""
    # Views separate the inputs, so that no gradient flows through another input.
    views = [None if t is None else t.view_as(t) for t in tensors]
    wanted = [t for t in views if t is not None and t.requires_grad]
    found = iter(torch.autograd.grad(by_torch(*views, *rest), wanted, grad, create_graph=True))
    grads = [next(found) if t is not None and t.requires_grad else None for t in views]
    return (None, *grads, *(None for _ in rest))


def _at(*tensors: Tensor | None) -> list[int | None]:
    """The memory address of each tensor's numbers."""
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


def _whole(*tensors: Tensor) -> list[Tensor]:
    return [tensor.contiguous() for tensor in tensors]


def _base(onto: Tensor | None, rows: int, size: int, like: Tensor) -> Tensor:
    """A copy of the summand of sums."""
    if onto is None:
        return like.new_zeros(rows, size)
    return onto.clone(memory_format=torch.contiguous_format)


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, x: Tensor, skip: Tensor | None, *parameters: Tensor
    ) -> Tensor:
        states, slopes = [x], []
        weights, biases = parameters[::2], parameters[1::2]
        ctx.residual = skip is x
        skip = None if skip is None else skip.contiguous()
        for step, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
            u = states[-1] @ weight.t()
            m = torch.empty_like(u)
            library.lkm_activate(*u.shape, *_at(u, bias, skip if step == len(weights) else None, m))
            slopes.append(u)  # the kernel stores the slopes there
            states.append(m)
        ctx.library = library
        ctx.save_for_backward(*states[:-1], *slopes, *parameters)
        return states[-1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Grads:
        steps = len(ctx.saved_tensors) // 4
        states, slopes = ctx.saved_tensors[:steps], ctx.saved_tensors[steps : 2 * steps]
        parameters = ctx.saved_tensors[2 * steps :]
        for_skip = grad if ctx.needs_input_grad[2] else None
        if torch.is_grad_enabled():
            tensors = (states[0], None, *parameters)
            _, for_x, _, *grads = _by_autograd(_torch_dense, tensors, (), grad)
            return (None, for_x, for_skip, *grads)
        grads, inward = [], grad
        for step in reversed(range(steps)):
            weight, slope = parameters[2 * step], slopes[step]
            inward, inner = inward.contiguous(), torch.empty_like(slope)
            for_bias = slope.new_empty(slope.shape[1])
            ctx.library.lkm_activate_back(*slope.shape, *_at(slope, inward, inner, for_bias))
            bias = parameters[2 * step + 1]
            grads += [None if bias is None else for_bias, inner.t() @ states[step]]
            if step == 0 and ctx.residual:  # both uses of x in one product
                inward, for_skip = torch.addmm(grad, inner, weight), None
            elif step or ctx.needs_input_grad[1]:
                inward = inner @ weight
        for_x = inward if ctx.needs_input_grad[1] else None
        return (None, for_x, for_skip, *reversed(grads))


class _Messages(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, atoms: Tensor, edges: Tensor, onto: Tensor | None,
        *index: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        atoms, edges, *indices = _whole(atoms, edges, *index)
        count, to = indices[0].shape[0], None if onto is None else indices[0]
        total = _base(onto, count, edges.shape[1] // 2, edges)
        library.lkm_messages(count, total.shape[1], *_at(to, *indices, atoms, edges, total))
        ctx.library, ctx.to, ctx.indices = library, to, indices
        ctx.set_materialize_grads(False)  # the last use of `edges` has no gradient
        ctx.save_for_backward(atoms, edges)
        return total, edges

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, owed: Tensor | None) -> Grads:
        (atoms, edges), to, indices = ctx.saved_tensors, ctx.to, ctx.indices
        if grad is None:
            return (None, None, owed, None, None, None, None)
        for_onto = None if to is None else grad
        if torch.is_grad_enabled():
            tensors = (atoms, edges, None if to is None else torch.zeros_like(grad))
            _, for_atoms, for_edges, *_ = _by_autograd(_torch_messages, tensors, indices, grad)
            if for_edges is not None and owed is not None:
                for_edges = for_edges + owed
            return (None, for_atoms, for_edges, for_onto, None, None, None)
        grad, for_atoms = grad.contiguous(), torch.zeros_like(atoms)
        owed, for_edges = None if owed is None else owed.contiguous(), torch.empty_like(edges)
        pointers = _at(to, *indices, atoms, edges, grad, owed, for_atoms, for_edges)
        ctx.library.lkm_messages_back(indices[0].shape[0], grad.shape[1], *pointers)
        return (None, for_atoms, for_edges, for_onto, None, None, None)


class _Deliver(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, x: Tensor, u: Tensor, bias: Tensor, onto: Tensor | None,
        of: Tensor, kind: Tensor, to: Tensor | None,
    ) -> Tensor:  # fmt: skip
        *inputs, of, kind = _whole(x, u, bias, of, kind)
        to = None if onto is None or to is None else to.contiguous()
        count, size = of.shape[0], u.shape[1]
        total = _base(onto, count, size, u)
        library.lkm_deliver(count, size, *_at(to, of, kind, *inputs, total))
        ctx.library, ctx.indices = library, (of, kind, to)
        ctx.save_for_backward(*inputs)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Grads:
        inputs, (of, kind, to) = ctx.saved_tensors, ctx.indices
        for_onto = None if to is None else grad
        if torch.is_grad_enabled():
            tensors = (*inputs, None if to is None else torch.zeros_like(grad))
            found = _by_autograd(_torch_deliver, tensors, ctx.indices, grad)
            return (*found[:4], for_onto, None, None, None)
        x, u, bias = inputs
        grad, for_x = grad.contiguous(), torch.zeros_like(x)
        for_u, for_bias = torch.empty_like(u), torch.zeros_like(bias)
        pointers = _at(to, of, kind, *inputs, grad, for_x, for_u, for_bias)
        ctx.library.lkm_deliver_back(of.shape[0], u.shape[1], *pointers)
        return (None, for_x, for_u, for_bias, for_onto, None, None, None)
