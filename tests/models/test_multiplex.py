import pytest
import torch
from torch import nn
from torch.testing import assert_close

from lkm_tune.models.blocks import EdgeMLP
from lkm_tune.models.multiplex import GlobalGraph


@pytest.fixture
def batch(make_batch, molecules):
    return make_batch([molecules["formaldehyde"], molecules["methane"]], cutoff=2.0)


def angle(u, v):
    return torch.atan2(torch.linalg.vector_norm(torch.linalg.cross(u, v)), u @ v)


@pytest.mark.parametrize("name", ["mxmnet", "pamnet"])
def test_local_graph_follows_its_definition(name, make_model, batch):
    model = make_model(name, cutoff=2.0)
    raw = nn.Identity()
    index = model.prepare(batch)
    graph = model.local_graph(index, mlp=raw, two_hop_mlp=raw, one_hop_mlp=raw)
    r = batch.pos
    bonds = list(map(tuple, index.bonds.T.tolist()))
    assert sorted(bonds) == sorted(map(tuple, batch.bond_index.T.tolist()))

    def columns(pairs, features):
        assert (pairs.kind.diff() >= 0).all() and len(features) == pairs.kind[-1] + 1
        return zip(pairs.e, pairs.f, features[pairs.kind], strict=True)

    assert len(index.two_hop.e) == sum(j == j2 and k != i for j, i in bonds for k, j2 in bonds)
    assert len(index.one_hop.e) == sum(t == t2 for _, t in bonds for _, t2 in bonds)
    for e, f, features in columns(index.two_hop, graph.two_hop):
        (j, i), (k, _) = bonds[e], bonds[f]
        theta = angle(r[j] - r[i], r[k] - r[j])
        check_features(model, features, torch.linalg.vector_norm(r[k] - r[j]), theta)
    for e, f, features in columns(index.one_hop, graph.one_hop):
        (s, t), (s2, _) = bonds[e], bonds[f]
        theta = angle(r[t] - r[s], r[s2] - r[t])
        check_features(model, features, torch.linalg.vector_norm(r[s2] - r[t]), theta)


def check_features(model, features, distance, theta):
    one = torch.zeros(1, dtype=torch.int64)
    expected = model.sbf(distance.view(1), one, torch.cos(theta).view(1))[0]
    assert_close(features, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["mxmnet", "pamnet"])
def test_both_directions_of_a_bond_share_their_features(name, make_model, batch):
    model = make_model(name, cutoff=2.0)
    raw = nn.Identity()
    index = model.prepare(batch)
    graph = model.local_graph(index, mlp=raw, two_hop_mlp=raw, one_hop_mlp=raw)
    source, target = index.bonds
    distance = torch.linalg.vector_norm(batch.pos[target] - batch.pos[source], dim=-1)

    assert len(graph.features) * 2 == batch.bond_index.shape[1]
    assert_close(graph.features[index.bond], model.rbf_l(distance))


@pytest.mark.parametrize("name", ["mxmnet", "pamnet"])
def test_global_graph_holds_every_pair_once(name, make_model, batch):
    model = make_model(name, cutoff=2.0)
    graph = model.global_graph(model.prepare(batch), nn.Identity())
    edges = list(zip(graph.a.tolist(), graph.b.tolist(), strict=True))

    assert all(there == back[::-1] for there, back in zip(edges[::2], edges[1::2], strict=True))
    assert set(edges) == set(map(tuple, batch.edge_index.t().tolist()))
    assert graph.pair.tolist() == [pair for pair in range(len(edges) // 2) for _ in range(2)]


def test_spread_sums_the_messages_of_both_directions():
    torch.manual_seed(0)
    a, b = torch.tensor([0, 1, 0, 3, 1, 2]), torch.tensor([1, 0, 3, 0, 2, 1])
    mlp, weight = EdgeMLP(4).double(), torch.randn(4, 4).double()
    v, g = torch.randn(5, 4).double(), torch.randn(3, 4).double()
    expected = v.clone()
    for edge, (here, there) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        features = g[edge // 2]
        message = nn.functional.silu(mlp[0][0](torch.cat([v[here], v[there], features])))
        expected[here] += (weight @ features) * message

    graph = GlobalGraph(a, b, torch.tensor([0, 0, 1, 1, 2, 2]), g)
    total = graph.spread(v, mlp(g, weight))
    assert_close(total, expected, rtol=1e-12, atol=1e-12)
