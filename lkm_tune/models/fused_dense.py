"""Chains of dense steps with σ: the form of torch, and the form of the C kernels.

A backward pass can be differentiated. Then autograd computes it from the form of torch, except for
forces (`slopes_alone`), for which it has a closed form.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

Affine = tuple[Tensor, Tensor | None]
Grads = tuple[Tensor | None, ...]

_slopes_alone = ContextVar("slopes_alone", default=False)


@contextmanager
def slopes_alone() -> Iterator[None]:
    """A context for a network's output and its slope by an input, which is differentiated again.

    Within it, a differentiable backward pass gives no gradients of parameters.
    """
    token = _slopes_alone.set(True)
    try:
        yield
    finally:
        _slopes_alone.reset(token)


def plain_dense(x: Tensor, skip: Tensor | None, *parameters: Tensor | None) -> Tensor:
    """See `fused.dense`; the parameters are W_1, b_1, W_2, b_2, .."""
    for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
        x = functional.silu(functional.linear(x, cast(Tensor, weight), bias))
    return x if skip is None else x + skip


def _by_autograd(x: Tensor, parameters: Sequence[Tensor | None], grad: Tensor) -> Grads:
    """The differentiable gradients of x and of the parameters."""
    # Views separate the inputs, so that no gradient flows through another input.
    views = [None if t is None else t.view_as(t) for t in (x, *parameters)]
    wanted = [t for t in views if t is not None and t.requires_grad]
    result = plain_dense(cast(Tensor, views[0]), None, *views[1:])
    found = iter(torch.autograd.grad(result, wanted, grad, create_graph=True))
    return tuple(next(found) if t is not None and t.requires_grad else None for t in views)


def addresses(*tensors: Tensor | None) -> list[int | None]:
    """The memory address of each tensor's numbers."""
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]


def whole(*tensors: Tensor) -> list[Tensor]:
    """Each tensor, row by row in memory."""
    return [tensor.contiguous() for tensor in tensors]


class Dense(torch.autograd.Function):
    """`plain_dense` with the kernels."""

    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, x: Tensor, skip: Tensor | None, *parameters: Tensor
    ) -> Tensor:
        """The step, one pass over its rows."""
        states, slopes, ctx.bends = [x], [], []
        weights, biases = parameters[::2], parameters[1::2]
        ctx.residual, twice = skip is x, _slopes_alone.get()
        skip = None if skip is None else skip.contiguous()
        for step, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
            u = states[-1] @ weight.t()
            m = torch.empty_like(u)
            pointers = addresses(u, bias, skip if step == len(weights) else None, m)
            if twice:
                ctx.bends.append(torch.empty_like(u))
                library.lkm_activate_twice(*u.shape, *pointers, *addresses(ctx.bends[-1]))
            else:
                library.lkm_activate(*u.shape, *pointers)
            slopes.append(u)  # the kernel stores the slopes there
            states.append(m)
        ctx.library = library
        ctx.save_for_backward(*states[:-1], *slopes, *parameters)
        return states[-1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Grads:
        """The gradients of the inputs."""
        steps = len(ctx.saved_tensors) // 4
        states, slopes = ctx.saved_tensors[:steps], ctx.saved_tensors[steps : 2 * steps]
        parameters = ctx.saved_tensors[2 * steps :]
        for_skip = grad if ctx.needs_input_grad[2] else None
        if torch.is_grad_enabled() and ctx.bends and _slopes_alone.get():
            fixed = (states[1:], slopes, ctx.bends)  # without gradients
            for_x = _DenseSlope.apply(ctx.library, grad, states[0], fixed, *parameters)  # type: ignore[no-untyped-call]
            return (None, for_x, for_skip, *(None for _ in parameters))
        if torch.is_grad_enabled():
            for_x, *grads = _by_autograd(states[0], parameters, grad)
            return (None, for_x, for_skip, *grads)
        grads, inward = [], grad
        for step in reversed(range(steps)):
            weight, slope = parameters[2 * step], slopes[step]
            inward, inner = inward.contiguous(), torch.empty_like(slope)
            for_bias = slope.new_empty(slope.shape[1])
            ctx.library.lkm_activate_back(*slope.shape, *addresses(slope, inward, inner, for_bias))
            bias = parameters[2 * step + 1]
            grads += [None if bias is None else for_bias, inner.t() @ states[step]]
            if step == 0 and ctx.residual:  # both uses of x in one product
                inward, for_skip = torch.addmm(grad, inner, weight), None
            elif step or ctx.needs_input_grad[1]:
                inward = inner @ weight
        for_x = inward if ctx.needs_input_grad[1] else None
        return (None, for_x, for_skip, *reversed(grads))


class _DenseSlope(torch.autograd.Function):
    """The gradient of a chain's input, a_1 W_1 with a_i = g_i σ'(u_i) and g_(i-1) = a_i W_i.

    Its backward pass goes up the chain with the change ĝ of g, and down with that of the states:

        â_i = ĝ_(i-1) W_i^T,  ĝ_i = â_i σ'(u_i),  ū_i = â_i g_i σ''(u_i) + s̄_i σ'(u_i),
        s̄_(i-1) = ū_i W_i,  W̄_i = a_i^T ĝ_(i-1) + ū_i^T s_(i-1),  b̄_i = sum of the rows of ū_i.
    """

    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, grad: Tensor, x: Tensor,
        fixed: tuple[Sequence[Tensor], ...], *parameters: Tensor,
    ) -> Tensor:  # fmt: skip
        states, slopes, bends = fixed
        weights, grads, inners = parameters[::2], [grad.contiguous()], []
        for weight, slope in zip(reversed(weights), reversed(slopes), strict=True):
            inners.append(grads[-1] * slope)
            grads.append(inners[-1] @ weight)
        ctx.library = library
        ctx.biased = [bias is not None for bias in parameters[1::2]]
        ctx.save_for_backward(
            *(x, *states), *slopes, *bends, *reversed(grads[:-1]), *reversed(inners), *weights
        )
        return grads[-1]

    @staticmethod
    def backward(ctx: Any, change: Tensor) -> Grads:
        steps, library = len(ctx.biased), ctx.library
        parts = [ctx.saved_tensors[k * steps : (k + 1) * steps] for k in range(6)]
        states, slopes, bends, grads, inners, weights = parts
        changes, bars = [change], []
        for weight, slope, bend, grad in zip(weights, slopes, bends, grads, strict=True):
            bars.append(changes[-1] @ weight.t())
            changes.append(torch.empty_like(slope))
            library.lkm_rise(*slope.shape, *addresses(slope, bend, grad, bars[-1], changes[-1]))
        found: list[Tensor | None] = []
        below: Tensor | None = None
        for step in reversed(range(steps)):
            slope = slopes[step]
            for_bias = slope.new_empty(slope.shape[1])
            library.lkm_descend(*slope.shape, *addresses(slope, below, bars[step], for_bias))
            below = bars[step] @ weights[step]
            for_weight = inners[step].t() @ changes[step]
            for_weight.addmm_(bars[step].t(), states[step])
            found += [for_bias if ctx.biased[step] else None, for_weight]
        return (None, changes[-1], below, None, *reversed(found))
