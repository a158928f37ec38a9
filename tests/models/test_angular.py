import torch
from torch.testing import assert_close

from lkm_tune.graphs import edge_vectors, radius_edges, two_hop_pairs
from lkm_tune.models.angular import angular_sum, edge_tables
from lkm_tune.models.bases import harmonics


def pairwise_sum(unit, edge_index, n_atoms, messages, radial):
    """The same sum, pair by pair."""
    e, f = two_hop_pairs(edge_index, n_atoms)
    angular = harmonics((unit[e] * unit[f]).sum(dim=-1), radial.shape[1])
    terms = messages[f] * (angular.unsqueeze(-1) * radial[f]).sum(dim=1)
    return torch.zeros_like(messages).index_add(0, e, terms)


def random_edges(seed, n_atoms=24, cutoff=1.6):
    generator = torch.Generator().manual_seed(seed)
    pos = torch.rand(n_atoms, 3, generator=generator, dtype=torch.float64) * 3
    graph = torch.randint(0, 3, (n_atoms,), generator=generator)
    edges = radius_edges(pos, graph, cutoff)
    edges = edges[:, torch.randperm(edges.shape[1], generator=generator)]
    vector, distance = edge_vectors(pos, edges)
    return edges, vector / distance.unsqueeze(-1), generator


def check(edges, unit, generator, n_atoms=24):
    shape = (edges.shape[1], 4)
    messages = torch.randn(shape, generator=generator, dtype=torch.float64)
    radial = torch.randn(shape[0], 5, 4, generator=generator, dtype=torch.float64)
    inputs = [messages.requires_grad_(True), radial.requires_grad_(True)]
    unit = unit.detach().requires_grad_(True)
    fast = angular_sum(unit, edge_tables(edges, n_atoms), 5)(*inputs)
    slow = pairwise_sum(unit, edges, n_atoms, *inputs)
    assert_close(fast, slow, rtol=1e-12, atol=1e-12)

    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    gradients = [torch.autograd.grad((k * weight).sum(), [*inputs, unit]) for k in (fast, slow)]
    for a, b in zip(*gradients, strict=True):
        assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_equals_the_sum_over_pairs():
    for seed in range(3):
        check(*random_edges(seed))


def test_equals_the_sum_over_pairs_where_edges_go_one_way():
    edges, unit, generator = random_edges(3)
    keep = torch.rand(edges.shape[1], generator=generator) < 0.5
    check(edges[:, keep], unit[keep], generator)


def test_a_graph_without_edges_gives_nothing():
    edges = torch.zeros(2, 0, dtype=torch.int64)
    sums = angular_sum(torch.zeros(0, 3), edge_tables(edges, 2), 5)
    assert sums(torch.zeros(0, 4), torch.zeros(0, 5, 4)).shape == (0, 4)
