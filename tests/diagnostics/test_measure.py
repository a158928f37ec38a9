"""Every figure against its definition, on cases with known values."""

import math

import pytest
import torch

from lkm_tune.diagnostics import gradient_norms, measure_layers
from lkm_tune.diagnostics.similarity import cosine_similarity, linear_cka
from lkm_tune.diagnostics.smoothing import dirichlet_energy, mean_average_distance
from lkm_tune.diagnostics.spread import atom_variance, distance_to_mean, effective_rank
from lkm_tune.lkm import layer_mixing_loss

# A path of four atoms, and an isolated atom.
PATH = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])


@pytest.fixture
def states():
    return torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def rotation(size, seed=1):
    draw = torch.randn(
        size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    return torch.linalg.qr(draw).Q


def test_the_same_layer_three_times(states):
    found = measure_layers([states] * 3, PATH)
    assert found.layer_variance == pytest.approx(0)
    assert found.distance_to_mean == pytest.approx([0, 0, 0])
    assert torch.tensor(found.cka) == pytest.approx(torch.ones(3, 3))
    assert torch.tensor(found.cosine) == pytest.approx(torch.ones(3, 3))
    assert found.atom_variance == pytest.approx([float(states.var(dim=0, correction=0).mean())] * 3)


def test_variance_across_layers_is_the_mixing_term(states):
    layers = [states, 2 * states, states.flip(0)]
    assert float(distance_to_mean(layers).mean()) == pytest.approx(float(layer_mixing_loss(layers)))
    assert distance_to_mean([states, states + 2]).tolist() == pytest.approx([1, 1])


def test_cka_is_free_of_rotation_scale_and_shift_but_cosine_is_not(states):
    turned = 3 * states @ rotation(3) + 7
    assert float(linear_cka([states, turned])[0, 1]) == pytest.approx(1)
    assert float(cosine_similarity([states, turned])[0, 1]) < 0.9
    assert float(cosine_similarity([states, -2 * states])[0, 1]) == pytest.approx(-1)


def test_layers_that_share_nothing():
    # Two centred columns, orthogonal over the atoms.
    x = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]], dtype=torch.float64)
    y = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]], dtype=torch.float64)
    assert float(linear_cka([x, y])[0, 1]) == pytest.approx(0)
    wide = [torch.cat([x, 0 * x], 1), torch.cat([0 * x, x], 1)]
    assert float(cosine_similarity(wide)[0, 1]) == pytest.approx(0)


def test_cka_by_its_kernels(states):
    """Kornblith et al., equation 3: HSIC of the Gram matrices K = XXᵀ, centred."""
    other = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    centring = torch.eye(5, dtype=torch.float64) - 1 / 5

    def hsic(a, b):
        return torch.trace(a @ a.T @ centring @ b @ b.T @ centring)

    expected = hsic(states, other) / (hsic(states, states) * hsic(other, other)).sqrt()
    assert float(linear_cka([states, other])[0, 1]) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("sigma", "expected"),
    [
        ([1, 1, 1, 1], 4),
        ([5, 5, 0, 0], 2),
        ([3, 0, 0, 0], 1),
        ([0, 0, 0, 0], 0),
        ([3, 1, 0, 0], math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))),
    ],
)
@pytest.mark.parametrize("rows", [4, 9])
def test_effective_rank_of_known_singular_values(sigma, expected, rows):
    left, right = rotation(rows)[:, :4], rotation(4, seed=2)
    matrix = left @ torch.diag(torch.tensor(sigma, dtype=torch.float64)) @ right.T
    assert float(effective_rank(matrix)) == pytest.approx(expected, rel=1e-5)
    assert float(effective_rank(matrix.T)) == pytest.approx(expected, rel=1e-5)


def test_one_state_for_all_atoms_is_collapsed():
    found = measure_layers([torch.full((5, 3), 2.0), torch.full((5, 3), -1.0)], PATH)
    for figures in (found.dirichlet_energy, found.atom_variance, found.effective_rank):
        assert figures == (0, 0)
    assert found.mean_average_distance == pytest.approx([0, 0])
    assert math.isnan(found.cka[0][1])


def test_smoothing_by_brute_force(states):
    edges = list(zip(*PATH.tolist(), strict=True))
    energy = sum(float((states[i] - states[j]).square().sum()) for i, j in edges) / 5
    assert float(dirichlet_energy(states, PATH)) == pytest.approx(energy)
    averages = []
    for atom in range(4):
        near = [j for i, j in edges if i == atom]
        cosines = [float(torch.cosine_similarity(states[atom], states[j], dim=0)) for j in near]
        averages.append(sum(1 - c for c in cosines) / len(near))
    assert float(mean_average_distance(states, PATH)) == pytest.approx(sum(averages) / 4)


def test_neighbours_at_right_angles():
    states = torch.eye(2, dtype=torch.float64)
    edge = torch.tensor([[0, 1], [1, 0]])
    assert float(mean_average_distance(states, edge)) == pytest.approx(1)
    assert float(dirichlet_energy(states, edge)) == pytest.approx(2)
    assert float(atom_variance(states)) == pytest.approx(0.25)
    assert math.isnan(float(mean_average_distance(states, edge[:, :0])))


def test_gradient_norms():
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = torch.tensor([5.0], requires_grad=True)
    fixed = torch.tensor([1.0])
    norms = gradient_norms(3 * a[0] + 4 * b.sum(), a.square().sum() / 2, 0.5, [a, b, fixed])
    assert norms.prediction == pytest.approx(5)
    assert norms.mixing == pytest.approx(0.5 * math.sqrt(5))
    assert norms.ratio == pytest.approx(norms.mixing / 5)
    assert a.grad is None
    assert math.isnan(gradient_norms(0 * a.sum(), a.sum(), 1.0, [a]).ratio)


def test_metrics_name_every_layer_and_pair(states):
    found = measure_layers([states, states, -states], PATH).metrics()
    assert found["cosine_mean"] == pytest.approx(-1 / 3)
    assert found["cosine/1-2"] == pytest.approx(1)
    assert found["cosine/2-3"] == pytest.approx(-1)
    assert found["cka_mean"] == pytest.approx(1)
    assert {"atom_variance/1", "effective_rank/3", "mean_average_distance/2"} <= found.keys()


@pytest.mark.parametrize("shapes", [[], [(3, 2), (3, 4)], [(3,)]])
def test_what_are_no_layers(shapes):
    with pytest.raises(ValueError, match=r"layers of one shape \[atoms, features\], got"):
        measure_layers([torch.zeros(s) for s in shapes], PATH)
