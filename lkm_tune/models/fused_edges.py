"""The work on edges with the C kernels; each backward pass can be differentiated once more."""

import ctypes
from typing import Any

import torch
from torch import Tensor

from lkm_tune.models.fused_dense import Grads, addresses, whole


def _sizes(index: Tensor, rows: Tensor) -> tuple[int, int]:
    return index.shape[0], rows.shape[1]


def _base(onto: Tensor | None, rows: int, size: int, like: Tensor) -> Tensor:
    """A copy of the summand of sums."""
    if onto is None:
        return like.new_zeros(rows, size)
    return onto.clone(memory_format=torch.contiguous_format)


class Messages(torch.autograd.Function):
    """`fused.messages` with the kernels."""

    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, atoms: Tensor, edges: Tensor, onto: Tensor | None,
        *index: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The step, one pass over its rows."""
        atoms, edges, *indices = whole(atoms, edges, *index)
        count, to = indices[0].shape[0], None if onto is None else indices[0]
        total = _base(onto, count, edges.shape[1] // 2, edges)
        library.lkm_messages(count, total.shape[1], *addresses(to, *indices, atoms, edges, total))
        ctx.library, ctx.to, ctx.indices = library, to, indices
        ctx.set_materialize_grads(False)  # the last use of `edges` has no gradient
        ctx.save_for_backward(atoms, edges)
        return total, edges

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, owed: Tensor | None) -> Grads:
        """The gradients of the inputs."""
        (atoms, edges), to, indices = ctx.saved_tensors, ctx.to, ctx.indices
        if grad is None:
            return (None, None, owed, None, None, None, None)
        for_onto = None if to is None else grad
        if torch.is_grad_enabled():
            for_atoms, for_edges = _MessagesSlope.apply(  # type: ignore[no-untyped-call]
                ctx.library, grad, atoms, edges, to, *indices
            )
            for_edges = for_edges if owed is None else for_edges + owed
            return (None, for_atoms, for_edges, for_onto, None, None, None)
        grad, for_atoms = grad.contiguous(), torch.zeros_like(atoms)
        owed, for_edges = None if owed is None else owed.contiguous(), torch.empty_like(edges)
        pointers = addresses(to, *indices, atoms, edges, grad, owed, for_atoms, for_edges)
        ctx.library.lkm_messages_back(indices[0].shape[0], grad.shape[1], *pointers)
        return (None, for_atoms, for_edges, for_onto, None, None, None)


class _MessagesSlope(torch.autograd.Function):
    """The gradients of atoms and edges, and in turn their gradients."""

    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, grad: Tensor, atoms: Tensor, edges: Tensor,
        to: Tensor | None, *indices: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        grad, for_atoms, for_edges = grad.contiguous(), *map(torch.zeros_like, (atoms, edges))
        ctx.library, ctx.indices = library, (to, *indices)
        ctx.save_for_backward(atoms, edges, grad)
        pointers = addresses(*ctx.indices, atoms, edges, grad, None, for_atoms, for_edges)
        library.lkm_messages_back(indices[0].shape[0], grad.shape[1], *pointers)
        return for_atoms, for_edges

    @staticmethod
    def backward(ctx: Any, on_atoms: Tensor, on_edges: Tensor) -> Grads:
        inputs, changes = ctx.saved_tensors, whole(on_atoms, on_edges)
        found = [torch.zeros_like(tensor) for tensor in inputs]
        for_atoms, for_edges, for_grad = found
        pointers = addresses(*ctx.indices, *inputs, *changes, for_grad, for_atoms, for_edges)
        size = inputs[2].shape[1]
        ctx.library.lkm_messages_twice(ctx.indices[1].shape[0], size, *pointers)
        return (None, for_grad, for_atoms, for_edges, None, None, None, None)


class Deliver(torch.autograd.Function):
    """`fused.deliver` with the kernels."""

    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, x: Tensor, u: Tensor, bias: Tensor, onto: Tensor | None,
        of: Tensor, kind: Tensor, to: Tensor | None,
    ) -> Tensor:  # fmt: skip
        """The step, one pass over its rows."""
        *inputs, of, kind = whole(x, u, bias, of, kind)
        to = None if onto is None or to is None else to.contiguous()
        count, size = of.shape[0], u.shape[1]
        total = _base(onto, count, size, u)
        library.lkm_deliver(count, size, *addresses(to, of, kind, *inputs, total))
        ctx.library, ctx.indices = library, (of, kind, to)
        ctx.save_for_backward(*inputs)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Grads:
        """The gradients of the inputs."""
        inputs, (of, kind, to) = ctx.saved_tensors, ctx.indices
        for_onto = None if to is None else grad
        if torch.is_grad_enabled():
            found = _DeliverSlope.apply(  # type: ignore[no-untyped-call]
                ctx.library, grad, *inputs, of, kind, to
            )
            return (None, *found, for_onto, None, None, None)
        x, u, bias = inputs
        grad, for_x = grad.contiguous(), torch.zeros_like(x)
        for_u, for_bias = torch.empty_like(u), torch.zeros_like(bias)
        pointers = addresses(to, of, kind, *inputs, grad, for_x, for_u, for_bias)
        ctx.library.lkm_deliver_back(of.shape[0], u.shape[1], *pointers)
        return (None, for_x, for_u, for_bias, for_onto, None, None, None)


class _DeliverSlope(torch.autograd.Function):
    """The gradients of x, u and bias, and in turn their gradients."""

    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, grad: Tensor, x: Tensor, u: Tensor, bias: Tensor,
        of: Tensor, kind: Tensor, to: Tensor | None,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        inputs = (x, u, bias, grad.contiguous())
        found = tuple(torch.zeros_like(tensor) for tensor in inputs[:3])
        ctx.library, ctx.indices = library, (to, of, kind)
        ctx.save_for_backward(*inputs)
        library.lkm_deliver_back(*_sizes(of, u), *addresses(*ctx.indices, *inputs, *found))
        return found

    @staticmethod
    def backward(ctx: Any, *changes: Tensor) -> Grads:
        inputs = ctx.saved_tensors
        *found, for_grad = [torch.zeros_like(tensor) for tensor in inputs]
        pointers = addresses(*ctx.indices, *inputs, *whole(*changes), for_grad, *found)
        ctx.library.lkm_deliver_twice(*_sizes(ctx.indices[1], inputs[1]), *pointers)
        return (None, for_grad, *found, None, None, None)
