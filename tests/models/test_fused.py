"""The hand-made backward passes against autograd's, of the first and the second order."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

from lkm_tune.models.fused import Segments, deliver, dense, edge_states, exchange


def numbers(*shapes):
    generator = torch.Generator().manual_seed(0)
    made = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [tensor.requires_grad_(True) for tensor in made]


def segments(index, count):
    return Segments.of(torch.tensor(index, dtype=torch.int64), count)


# Every number is used more than once, and one is not used at all.
AT, OF, KIND = segments([0, 2, 2, 0, 3], 4), segments([1, 0, 3, 1, 1], 4), segments([0] * 5, 2)
PAIRS = segments([0, 1, 0, 2, 3, 2], 5)

CASES = {
    "dense": (dense, [(5, 3), (4, 3), (4,)], ()),
    "dense without bias": (lambda x, w: dense(x, w, None), [(5, 3), (4, 3)], ()),
    "edge_states": (edge_states, [(4, 3), (4, 3), (2, 3)], (AT, OF, KIND)),
    "deliver": (deliver, [(4, 3), (4, 3), (5, 3)], (AT, OF)),
    "exchange": (exchange, [(5, 3), (5, 3), (5, 3), (3, 3), (3, 3)], (PAIRS,)),
}


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_both_orders(case):
    function, shapes, rest = CASES[case]
    inputs = numbers(*shapes)

    assert gradcheck(lambda *x: function(*x, *rest), inputs)
    assert gradgradcheck(lambda *x: function(*x, *rest), inputs)


@pytest.mark.parametrize("case", CASES)
def test_both_backward_passes_agree(case):
    function, shapes, rest = CASES[case]
    inputs = numbers(*shapes)
    total = function(*inputs, *rest).square().sum()
    fast = torch.autograd.grad(total, inputs, retain_graph=True)
    slow = torch.autograd.grad(total, inputs, create_graph=True)

    for a, b in zip(fast, slow, strict=True):
        assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_an_input_that_depends_on_another_is_counted_once():
    x, edge, weights = numbers((4, 3), (2, 3), (2, 3))
    total = exchange(x, x, 2 * x, edge, weights, segments([0, 1, 2, 3], 4)).sum()
    (fast,) = torch.autograd.grad(total, x, retain_graph=True)
    (slow,) = torch.autograd.grad(total, x, create_graph=True)
    assert_close(fast, slow, rtol=1e-12, atol=1e-12)


def test_sums_of_rows_and_of_none():
    values = torch.arange(10.0).view(5, 2)
    assert AT.sum(values).tolist() == [[6, 8], [0, 0], [6, 8], [8, 9]]
    assert segments([], 3).sum(values[:0]).tolist() == [[0, 0]] * 3
