"""The mixing term against its definition, written out."""

import pytest
import torch

from lkm_tune.lkm import layer_mixing_loss


def definition(layers, distance, reduction):
    stack = torch.stack(layers)  # [L, N, D]
    difference = stack - stack.mean(dim=0)
    d = difference**2 if distance == "l2" else difference.abs()
    return (d.mean(dim=2) if reduction == "mean" else d.sum(dim=2)).mean()


@pytest.fixture
def layers():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(7, 5, generator=generator, dtype=torch.float64) for _ in range(4)]


@pytest.mark.parametrize("distance", ["l2", "l1"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_equals_definition(layers, distance, reduction):
    torch.testing.assert_close(
        layer_mixing_loss(layers, distance, reduction), definition(layers, distance, reduction)
    )


def test_known_value():
    layers = [torch.zeros(1, 2), torch.tensor([[2.0, 4.0]])]  # ē = (1, 2)
    assert layer_mixing_loss(layers) == pytest.approx((1 + 4) / 2)
    assert layer_mixing_loss(layers, "l1", "sum") == pytest.approx(1 + 2)


def test_equal_layers_have_nothing_to_mix(layers):
    assert layer_mixing_loss([layers[0]] * 3).item() == pytest.approx(0, abs=1e-30)


def test_a_live_teacher_learns_and_a_detached_one_does_not(layers):
    """d L_KD / d e_ij = 2 (e_ij − ē_i) / (L N D) for both: the deviations from ē sum to zero, so
    with l2 the paths through ē cancel. With l1 they do not."""
    gradients = {}
    for teacher in ("live", "detached"):
        leaves = [layer.clone().requires_grad_() for layer in layers]
        layer_mixing_loss(leaves, "l1", "mean", teacher).backward()
        gradients[teacher] = torch.stack([leaf.grad for leaf in leaves])
    # Through a live mean the pulls on one atom and feature balance over the layers.
    assert gradients["live"].sum(dim=0).abs().max() < 1e-15
    assert gradients["detached"].sum(dim=0).abs().max() > 1e-3


def test_gradient_matches_finite_differences(layers):
    leaves = [layer.requires_grad_() for layer in layers]
    assert torch.autograd.gradcheck(lambda *x: layer_mixing_loss(x, "l2", "sum"), leaves)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([torch.ones(2, 3)],), "at least 2 layers"),
        (([torch.ones(2, 3), torch.ones(2, 4)],), r"one shape .*\(2, 3\), \(2, 4\)"),
        (([torch.ones(2, 3)] * 2, "l3"), "distance must be one of l2, l1, got 'l3'"),
        (([torch.ones(2, 3)] * 2, "l2", "max"), "reduction must be one of mean, sum, got 'max'"),
        (([torch.ones(2, 3)] * 2, "l2", "mean", "dead"), "teacher must be one of live, detached"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        layer_mixing_loss(*arguments)
