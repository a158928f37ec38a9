"""The compiled form of each operation against the plain form, and gradients of both orders."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

from lkm_tune.models import fused
from lkm_tune.models.compiled import kernels
from lkm_tune.models.fused_dense import slopes_alone


def index(*numbers):
    return torch.tensor(numbers, dtype=torch.int64)


# Atoms in any order; each is used more than once or not at all.
AT, OF, KIND = index(3, 2, 2, 0, 3), index(1, 0, 3, 1, 1), index(0, 0, 1, 2, 2)
NONE = index()


def chain(x, skip, *parameters):
    return fused.dense(x, list(zip(parameters[::2], parameters[1::2], strict=True)), skip)


def twice_along(v, first, second, edges):
    v, edges = fused.messages(first, edges, AT, OF, KIND, onto=v)
    return fused.messages(second, edges, AT, OF, KIND, onto=v)[0]


def cases(d):
    """The operation, the shapes of its tensors, and its further arguments."""
    return {
        "dense": (chain, [(5, 3), (5, d), (4, 3), (4,), (d, 4), (d,)], ()),
        "dense without bias": (lambda x, w: fused.dense(x, [(w, None)]), [(5, 3), (d, 3)], ()),
        "dense onto itself": (
            lambda x, w, b: fused.dense(x, [(w, b), (w, b)], x),
            [(5, d), (d, d), (d,)],
            (),
        ),
        "messages": (
            lambda a, e: fused.messages(a, e, AT, OF, KIND)[0],
            [(4, 2 * d), (3, 2 * d)],
            (),
        ),
        "sums of messages": (
            lambda v, a, e: fused.messages(a, e, AT, OF, KIND, onto=v)[0],
            [(4, d), (4, 2 * d), (3, 2 * d)],
            (),
        ),
        "messages along the same edges again": (
            twice_along,
            [(4, d), (4, 2 * d), (4, 2 * d), (3, 2 * d)],
            (),
        ),
        "edges alone are used": (
            lambda a, e: fused.messages(a, fused.messages(a, e, AT, OF, KIND)[1], AT, OF, KIND)[0],
            [(4, 2 * d), (3, 2 * d)],
            (),
        ),
        "no messages": (
            lambda v, a, e: fused.messages(a, e, NONE, NONE, NONE, onto=v)[0],
            [(4, d), (4, 2 * d), (0, 2 * d)],
            (),
        ),
        "deliver": (fused.deliver, [(4, d), (3, d), (d,)], (OF, KIND)),
        "sums of deliveries": (
            lambda v, x, u, b: fused.deliver(x, u, b, OF, KIND, AT, v),
            [(6, d), (4, d), (3, d), (d,)],
            (),
        ),
    }


CASES = list(cases(1))


def numbers(shapes, dtype):
    generator = torch.Generator().manual_seed(0)
    made = [3 * torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]
    return [tensor.requires_grad_(True) for tensor in made]


def results(function, inputs, rest, create_graph=False):
    result = function(*inputs, *rest)
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view(result.shape)
    grads = torch.autograd.grad((result * weights).sum(), inputs, create_graph=create_graph)
    return [result, *grads]


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_both_orders_of_the_plain_form(case):
    function, shapes, rest = cases(3)[case]
    inputs = numbers(shapes, torch.float64)

    assert gradcheck(lambda *x: function(*x, *rest), inputs)
    assert gradgradcheck(lambda *x: function(*x, *rest), inputs)


needs_kernels = pytest.mark.skipif(kernels() is None, reason="no C compiler, or no cache folder")


@needs_kernels
@pytest.mark.parametrize("d", [1, 13, 128])
@pytest.mark.parametrize("case", CASES)
def test_both_forms_agree(case, d, monkeypatch):
    function, shapes, rest = cases(d)[case]
    inputs = numbers(shapes, torch.float32)
    compiled = results(function, inputs, rest)
    again = results(function, inputs, rest)
    assert all(map(torch.equal, compiled, again))
    for_second_order = results(function, inputs, rest, create_graph=True)

    monkeypatch.setattr(fused, "kernels", lambda: None)
    plain = results(function, inputs, rest)
    for a, b, c in zip(compiled, plain, for_second_order, strict=True):
        assert_close(a, b, rtol=1e-5, atol=2e-5)
        assert_close(c, b, rtol=1e-5, atol=2e-5)


@needs_kernels
def test_an_input_that_depends_on_another_is_counted_once():
    def twice(x, edges):
        return fused.messages(torch.cat((x, 2 * x), dim=1), edges, AT, OF, KIND, onto=x)[0]

    inputs = numbers([(4, 3), (3, 6)], torch.float32)
    fast, slow = (results(twice, inputs, (), create_graph=order) for order in (False, True))
    assert_close(fast, slow, rtol=1e-5, atol=1e-5)


@needs_kernels
def test_sigma_far_from_zero_and_a_number_that_is_none():
    x = torch.tensor([[-1e4, -100.0, -20.0, 20.0, 100.0, 1e4, torch.nan]])
    y = fused.dense(x, [(torch.eye(7), None)])  # a NaN spreads through the product
    assert y.isnan().all()
    y = fused.dense(x[:, :6], [(torch.eye(6), None)])
    assert_close(y, torch.nn.functional.silu(x[:, :6]), rtol=1e-6, atol=1e-30)


@needs_kernels
@pytest.mark.parametrize("d", [1, 13, 64])
@pytest.mark.parametrize("case", CASES)
def test_gradients_of_second_order_agree(case, d, monkeypatch):
    """As with forces: the slope by the states, then the gradients of all inputs."""
    function, shapes, rest = cases(d)[case]

    def twice(dtype):
        inputs = numbers(shapes, torch.float32)
        inputs = [x.detach().to(dtype).requires_grad_() for x in inputs]
        # Leaves are parameters; states depend on others.
        first = {"dense": 2, "dense without bias": 1, "dense onto itself": 1}.get(case, len(inputs))
        states = [2 * x for x in inputs[:first]]
        with slopes_alone():
            result = function(*states, *inputs[first:], *rest)
            weights = torch.linspace(-1, 1, result.numel(), dtype=dtype).view(result.shape)
            energy = (result * weights).sum() + result.square().sum()
            slopes = torch.autograd.grad(energy, states, create_graph=True, allow_unused=True)
        loss = energy + sum(slope.square().sum() for slope in slopes if slope is not None)
        return [*slopes, *torch.autograd.grad(loss, inputs)]

    compiled = twice(torch.float32)
    monkeypatch.setattr(fused, "kernels", lambda: None)
    for a, b in zip(compiled, twice(torch.float64), strict=True):
        assert_close(
            a.double(), b, rtol=1e-4, atol=1e-4 * max([0.0, *b.detach().abs().flatten().tolist()])
        )
