"""GCN, GAT and GIN: the papers' equations as dense matrices, and the other layers."""

import pytest
import torch
from torch.nn import functional
from torch.testing import assert_close

from lkm_tune.lkm import layer_mixing_loss
from lkm_tune.models import NodeClassifier, NodeSettings, build_model

KINDS = ["gcn", "gat", "gin"]
# A triangle with a tail, and an isolated node; both directions of each edge.
ONE_WAY = torch.tensor([[0, 0, 1, 2], [1, 2, 2, 3]])
EDGES = torch.cat([ONE_WAY, ONE_WAY.flip(0)], dim=1)
N = 5


@pytest.fixture
def adjacency():
    a = torch.zeros(N, N, dtype=torch.float64)
    a[EDGES[1], EDGES[0]] = 1
    return a


@pytest.fixture
def features():
    return torch.randn(N, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def classifier(kind, **settings):
    torch.manual_seed(0)
    sizes = NodeSettings(features=3, classes=4, hidden=6, **settings)
    net = NodeClassifier(kind, sizes).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return net


def gcn(conv, h, a):
    loops = a + torch.eye(N)
    scale = loops.sum(dim=1) ** -0.5
    return (scale[:, None] * loops * scale) @ h @ conv.lin.weight.T + conv.bias


def gat(conv, h, a):
    heads, neighbours = [], (a + torch.eye(N)) > 0
    w = (h @ conv.lin.weight.T).view(N, conv.heads, -1)
    for k in range(conv.heads):
        to = w[:, k] @ conv.att_dst[0, k]
        of = w[:, k] @ conv.att_src[0, k]
        score = functional.leaky_relu(to[:, None] + of[None, :], 0.2)
        alpha = torch.softmax(score.masked_fill(~neighbours, -torch.inf), dim=1)
        heads.append(alpha @ w[:, k])
    return torch.cat(heads, dim=1) + conv.bias


def gin(conv, h, a):
    return conv.nn(h + a @ h)


DENSE = {"gcn": (gcn, torch.relu), "gat": (gat, functional.elu), "gin": (gin, torch.relu)}


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_those_of_the_papers(kind, features, adjacency):
    net = classifier(kind, depth=3, heads=2)
    dense, activation = DENSE[kind]
    output, h, states = net(features, EDGES), features, []
    for conv in net.body.convs:
        states.append(dense(conv, h, adjacency))
        h = activation(states[-1])

    assert [layer.shape for layer in output.layers] == [(N, 6)] * 3
    for layer, expected in zip(output.layers, states, strict=True):
        assert_close(layer, expected)
    assert_close(output.prediction, net.head(h))


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_place(kind, features):
    usual, other = classifier(kind), classifier(kind, layers="activation")
    activation = DENSE[kind][1]
    for x, h in zip(usual(features, EDGES).layers, other(features, EDGES).layers, strict=True):
        assert_close(activation(x), h)


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_of_two_communities_are_told_apart(kind):
    """Sixty nodes, most edges within a half, six known labels, with the mixing term."""
    generator = torch.Generator().manual_seed(1)
    label = torch.arange(60) % 2
    near = torch.where(label[:, None] == label, 0.2, 0.02)
    edges = (torch.rand(60, 60, generator=generator) < near).triu(1).nonzero().T
    edges = torch.cat([edges, edges.flip(0)], dim=1)
    x = torch.randn(60, 8, generator=generator) + 0.5 * label[:, None]
    torch.manual_seed(0)
    net = NodeClassifier(kind, NodeSettings(features=8, classes=2, hidden=16))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=5e-3)
    for _ in range(100):
        optimizer.zero_grad()
        output = net(x, edges)
        loss = functional.cross_entropy(output.prediction[:6], label[:6])
        (loss + 0.01 * layer_mixing_loss(output.layers)).backward()
        optimizer.step()

    right = net(x, edges).prediction[6:].argmax(dim=1) == label[6:]
    assert right.float().mean() > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_for_training_alone(kind, make_model, make_batch, molecules):
    model, batch = make_model(kind, dropout=0.5), make_batch([molecules["benzene"]])
    plain = make_model(kind)
    torch.manual_seed(0)
    first, second = model(batch).prediction, model(batch).prediction
    assert not torch.equal(first, second)
    assert torch.equal(model.eval()(batch).prediction, plain(batch).prediction)


@pytest.mark.parametrize("kind", KINDS)
def test_pooling(kind, make_model, make_batch, molecules):
    """Two equal molecules as one: the sum doubles, the mean stays."""
    z, pos = molecules["water"]
    twice = (list(z) * 2, torch.cat([torch.tensor(pos), torch.tensor(pos) + 50]).numpy())
    for pooling, factor in (("sum", 2), ("mean", 1)):
        model = make_model(kind, pooling=pooling)
        one, two = model(make_batch([(z, pos), twice])).prediction
        assert_close(two, factor * one)


@pytest.mark.parametrize("kind", KINDS)
def test_graphs(kind, make_model, make_batch, molecules):
    """The two hydrogens of water are 1.5 Å apart: near, but not bonded."""
    batch = make_batch([molecules["water"]], cutoff=2.0)
    bonds = make_model(kind)(batch).prediction
    near = {
        cutoff: make_model(kind, graph="radius", cutoff=cutoff)(batch).prediction
        for cutoff in (1.2, 2.0)
    }
    assert torch.equal(bonds, near[1.2])
    assert not torch.allclose(bonds, near[2.0])


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("gat", {"hidden": 10}, "multiple of `heads`, but got hidden=10, heads=4"),
        ("gat", {"heads": 0}, "`heads` must be a whole number >= 1"),
        ("gcn", {"depth": 1}, "gives 1 atom state.*nothing to mix"),
        ("gin", {"dropout": 1.0}, "`0 <= dropout < 1` must hold, but got dropout=1.0"),
        ("gin", {"dropout": "0.5"}, "`0 <= dropout < 1` must hold"),
        ("gcn", {"graph": "triplets"}, "`graph` must be one of bonds, radius, but got 'triplets'"),
        ("gcn", {"pooling": "max"}, "`pooling` must be one of sum, mean, but got 'max'"),
    ],
)
def test_values_out_of_range_are_named(name, settings, message):
    with pytest.raises(ValueError, match=message):
        build_model(name, **settings)


def test_a_node_classifier_of_no_kind():
    with pytest.raises(ValueError, match="`kind` must be one of gcn, gat, gin, but got 'sage'"):
        NodeClassifier("sage", NodeSettings(features=3, classes=2))
