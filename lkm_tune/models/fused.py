"""The steps that cost most, each as one operation with a backward pass of its own.

Autograd would keep the argument of σ and compute its exponential once for each pass; here σ' is
found with σ, while its parts are still in the processor's cache, and is all that is kept. With
s = sigmoid(u) and m = σ(u) = u s,

    σ'(u) = s + m (1 - s) = m + s (1 - m).

Sums over edges are sums over segments of edges in an order that is found once for a batch.

Where a backward pass must itself be differentiable (a loss on forces), it is computed by autograd
from the plain form of the same function. The same form is used on a GPU.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Grads = tuple[Tensor | None, ...]


@dataclass(frozen=True, eq=False)
class Segments:
    """Rows grouped by a number that each of them has, 0 .. count-1.

    Attributes:
        index: the number of each row, int64 [R].
        order: the rows, those of number 0 first, int64 [R].
        starts: where each number begins in `order`, int64 [count].
    """

    index: Tensor
    order: Tensor
    starts: Tensor

    @classmethod
    def of(cls, index: Tensor, count: int) -> "Segments":
        """Group rows by `index`, int64 [R]."""
        sizes = torch.bincount(index, minlength=count)
        return cls(index, torch.argsort(index, stable=True), sizes.cumsum(0) - sizes)

    def rows(self, values: Tensor) -> Tensor:
        """The row of `values` [count, D] that belongs to each number, [R, D]."""
        return values.index_select(0, self.index)

    def sum(self, values: Tensor) -> Tensor:
        """The sums of the rows [R, D] of each number [count, D]; not for autograd."""
        if self.order.shape[0] == 0:
            return values.new_zeros(self.starts.shape[0], values.shape[1])
        return torch.embedding_bag(values, self.order, self.starts, False, 0)[0]

    def add(self, base: Tensor, values: Tensor) -> Tensor:
        """The same sums on top of `base` [count, D], for autograd."""
        return base.index_add(0, self.index, values)


def dense(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """σ(x W^T + b): [R, P] to [R, Q]."""
    if x.device.type != "cpu":
        return _plain_dense(x, weight, bias)
    return _apply(_Dense, x, weight, bias)


def edge_states(
    here: Tensor, there: Tensor, edge: Tensor, at: Segments, of: Segments, kind: Segments
) -> Tensor:
    """σ(here_i + there_j + edge_k) for each edge, i = at, j = of, k = kind.

    Args:
        here: [N, D].
        there: [N, D].
        edge: [K, D].
        at: the atom of each edge [E].
        of: the other atom of each edge [E].
        kind: the row of `edge` that belongs to each edge [E].
    """
    if here.device.type != "cpu":
        return _plain_edge_states(here, there, edge, at, of, kind)
    return _apply(_EdgeStates, here, there, edge, at, of, kind)


def deliver(base: Tensor, messages: Tensor, weights: Tensor, to: Segments, of: Segments) -> Tensor:
    """base_e + sum over the pairs (e, f) of messages_f * weights_(e,f).

    Args:
        base: [E, D].
        messages: [E', D].
        weights: [T, D].
        to: e of each pair [T].
        of: f of each pair [T].
    """
    if base.device.type != "cpu":
        return _plain_deliver(base, messages, weights, to, of)
    return _apply(_Deliver, base, messages, weights, to, of)


def exchange(
    v: Tensor, here: Tensor, there: Tensor, edge: Tensor, weights: Tensor, at: Segments
) -> Tensor:
    """v_a + sum_b weights_ab * σ(here_a + there_b + edge_ab), for pairs ab in both directions.

    Args:
        v: [N, D].
        here: [N, D].
        there: [N, D].
        edge: one row a pair [E/2, D].
        weights: one row a pair [E/2, D].
        at: the first atom of every pair, then the second atom of every pair [E].
    """
    if v.device.type != "cpu":
        return _plain_exchange(v, here, there, edge, weights, at)
    return _apply(_Exchange, v, here, there, edge, weights, at)


def _plain_dense(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return functional.silu(functional.linear(x, weight, bias))


def _plain_edge_states(
    here: Tensor, there: Tensor, edge: Tensor, at: Segments, of: Segments, kind: Segments
) -> Tensor:
    return functional.silu(at.rows(here) + of.rows(there) + kind.rows(edge))


def _plain_deliver(
    base: Tensor, messages: Tensor, weights: Tensor, to: Segments, of: Segments
) -> Tensor:
    return to.add(base, of.rows(messages) * weights)


def _plain_exchange(
    v: Tensor, here: Tensor, there: Tensor, edge: Tensor, weights: Tensor, at: Segments
) -> Tensor:
    first, second = at.rows(here).chunk(2)
    of_first, of_second = at.rows(there).chunk(2)
    to_first = functional.silu(first + of_second + edge) * weights
    to_second = functional.silu(second + of_first + edge) * weights
    return at.add(v, torch.cat((to_first, to_second)))


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    result: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return result


def _by_autograd(
    plain: Callable[..., Tensor],
    tensors: Sequence[Tensor | None],
    rest: Sequence[Any],
    grad: Tensor,
) -> Grads:
    """The gradients of a plain form, differentiable once more."""
    # Views: what one input owes to another must not be counted here.
    views = [None if t is None else t.view_as(t) for t in tensors]
    wanted = [t for t in views if t is not None and t.requires_grad]
    found = iter(torch.autograd.grad(plain(*views, *rest), wanted, grad, create_graph=True))
    grads = [next(found) if t is not None and t.requires_grad else None for t in views]
    return (*grads, *(None for _ in rest))


def _silu_and_slope(u: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """σ(u), which takes the memory of u, and σ'(u), which takes `memory` if that is given."""
    s = torch.sigmoid(u, out=memory)
    m = u.mul_(s)
    return m, torch.lerp(m, m.new_ones(()), s, out=s)


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        m, slope = _silu_and_slope(functional.linear(x, weight, bias))
        ctx.save_for_backward(x, weight, bias, slope)
        return m

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Grads:
        x, weight, bias, slope = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _by_autograd(_plain_dense, (x, weight, bias), (), grad)
        for_x, for_weight, for_bias = ctx.needs_input_grad
        inner = grad * slope
        return (
            inner @ weight if for_x else None,
            inner.t() @ x if for_weight else None,
            inner.sum(0) if for_bias else None,
        )


class _EdgeStates(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, here: Tensor, there: Tensor, edge: Tensor,
        at: Segments, of: Segments, kind: Segments,
    ) -> Tensor:  # fmt: skip
        m, slope = _silu_and_slope(at.rows(here).add_(of.rows(there)).add_(kind.rows(edge)))
        ctx.save_for_backward(here, there, edge, slope)
        ctx.segments = (at, of, kind)
        return m

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Grads:
        here, there, edge, slope = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _by_autograd(_plain_edge_states, (here, there, edge), ctx.segments, grad)
        inner = grad * slope
        return (*(segments.sum(inner) for segments in ctx.segments), None, None, None)


class _Deliver(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, base: Tensor, messages: Tensor, weights: Tensor, to: Segments, of: Segments
    ) -> Tensor:
        ctx.save_for_backward(base, messages, weights)
        ctx.segments = (to, of)
        return to.sum(of.rows(messages).mul_(weights)).add_(base)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Grads:
        base, messages, weights = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _by_autograd(_plain_deliver, (base, messages, weights), ctx.segments, grad)
        to, of = ctx.segments
        arrived = to.rows(grad)
        for_weights = of.rows(messages).mul_(arrived)
        return grad, of.sum(arrived.mul_(weights)), for_weights, None, None


class _Exchange(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, v: Tensor, here: Tensor, there: Tensor, edge: Tensor, weights: Tensor,
        at: Segments,
    ) -> Tensor:  # fmt: skip
        u = at.rows(here)
        half = edge.shape[0]
        of = at.rows(there)
        u[:half].add_(of[half:]).add_(edge)
        u[half:].add_(of[:half]).add_(edge)
        m, slope = _silu_and_slope(u, of)
        ctx.save_for_backward(v, here, there, edge, weights, m, slope)
        ctx.at = at
        total, weighted = v.clone(), torch.empty_like(weights)
        for atoms, messages in zip(at.index.chunk(2), (m[:half], m[half:]), strict=True):
            total.index_add_(0, atoms, torch.mul(messages, weights, out=weighted))
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Grads:
        *inputs, m, slope = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _by_autograd(_plain_exchange, inputs, (ctx.at,), grad)
        at, weights = ctx.at, inputs[-1]
        half = weights.shape[0]
        arrived = at.rows(grad)
        for_weights = (arrived[:half] * m[:half]).addcmul_(arrived[half:], m[half:])
        arrived.view(2, *weights.shape).mul_(weights)
        inner = arrived.mul_(slope)
        # Turned about, each message stands at the atom that it came from.
        turned = Segments(at.index, (at.order + half) % (2 * half), at.starts)
        for_edge = inner[:half] + inner[half:]
        return grad, at.sum(inner), turned.sum(inner), for_edge, for_weights, None
