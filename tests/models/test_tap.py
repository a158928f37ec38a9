"""LayerTap: unchanged modules as models."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from lkm_tune.graphs import edge_vectors, radius_edges
from lkm_tune.lkm import layer_mixing_loss
from lkm_tune.models import LayerTap, ModelOutput


def near(pos, molecule):
    """The neighbours for SchNet, whose own radius graph needs torch-cluster."""
    edges = radius_edges(pos, molecule, 5.0)
    return edges, edge_vectors(pos, edges)[1]


def schnet(depth=3):
    from torch_geometric.nn import SchNet

    torch.manual_seed(0)
    return SchNet(16, 16, depth, num_gaussians=10, cutoff=5.0, interaction_graph=near).double()


def blocks(depth):
    return [f"interactions.{i}" for i in range(depth)]


class Net(nn.Module):
    """A user's network with two kinds of layers."""

    def __init__(self, width=8, second=8):
        super().__init__()
        self.embedding = nn.Embedding(10, width)
        self.convs = nn.ModuleList([nn.Linear(width, width), nn.Linear(width, second)])
        self.spare = nn.Linear(width, width)
        self.pair = nn.LSTM(second, second)
        self.head = nn.Linear(second, 1)
        self.repeats = 1

    def forward(self, z, edge_index, molecule):
        h = self.embedding(z)
        for _ in range(self.repeats):
            x = self.convs[0](h)
            x = x.index_add(0, edge_index[1], x[edge_index[0]])
        x = torch.tanh(self.convs[1](torch.tanh(x)))
        x = x + self.pair(x)[0]
        values = self.head(x)
        return torch.zeros(int(molecule.max()) + 1, 1).index_add(0, molecule, values)


def with_bonds(net, batch):
    return net(batch.z, batch.bond_index, batch.graph_index)


def tap(net, layers=("convs.0", "convs.1"), call=with_bonds):
    return LayerTap(net, layers, call=call)


@pytest.fixture
def batch(make_batch, molecules):
    return make_batch(list(molecules.values()))


def test_schnet_is_itself_and_shows_its_layers(batch):
    net = schnet()
    model = LayerTap(net, blocks(3))
    output = model(batch)
    h, states = net.embedding(batch.z), []
    edge_index, length = near(batch.pos, batch.graph_index)
    for block in net.interactions:
        states.append(block(h, edge_index, length, net.distance_expansion(length)))
        h = h + states[-1]

    assert isinstance(output, ModelOutput)
    assert torch.equal(output.prediction, net(batch.z, batch.pos, batch.graph_index))
    assert output.prediction.shape == (batch.n_graphs, 1)
    for layer, expected in zip(output.layers, states, strict=True):
        assert_close(layer, expected)
    assert model.cutoff == 5.0


def test_gradients_reach_the_module_from_both_losses(batch):
    model = LayerTap(schnet(), blocks(3))
    last = list(model.model.lin2.parameters())
    first = list(model.model.interactions[0].lin.parameters())
    layer_mixing_loss(model(batch).layers).backward()
    assert all(p.grad is None for p in last)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in first)
    model(batch).prediction.sum().backward()
    assert all(p.grad is not None for p in last)


def test_a_copy_shows_its_own_layers(batch):
    """The average of the weights is a deep copy."""
    model = LayerTap(schnet(), blocks(2))
    model(batch)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in twin.model.interactions.parameters():
            parameter *= 2
    before = [layer.clone() for layer in model(batch).layers]
    doubled = twin(batch).layers

    assert all(map(torch.equal, model(batch).layers, before))
    assert not torch.allclose(doubled[0], before[0])
    twin.load_state_dict(model.state_dict())
    assert all(map(torch.equal, twin(batch).layers, before))


def test_names_of_parameters_are_the_modules_own():
    net = schnet()
    assert set(LayerTap(net, blocks(2)).state_dict()) == {f"model.{k}" for k in net.state_dict()}


def test_nothing_stays_after_a_forward_pass(batch):
    net = Net()
    model = tap(net)
    output = model(batch)
    kept = [weakref.ref(layer) for layer in output.layers]
    del output
    gc.collect()
    assert [ref() for ref in kept] == [None, None]
    assert not any(module._forward_hooks for module in net.modules())
    assert torch.equal(pickle.loads(pickle.dumps(model))(batch).prediction, model(batch).prediction)


def test_hooks_are_gone_after_an_error_too(batch):
    net = Net()
    model = tap(net, call=lambda net, batch: net(batch.z))
    with pytest.raises(TypeError):
        model(batch)
    assert not any(module._forward_hooks for module in net.modules())


def test_of_a_tuple_the_first_item_counts(batch):
    layers = tap(Net(), ("convs.1", "pair"))(batch).layers
    assert [layer.shape for layer in layers] == [(batch.n_atoms, 8)] * 2


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["convs.0"], r"at least two names, but got \['convs.0'\]"),
        ("convs", "at least two names, but got 'convs'"),
        (["convs.0", "conv.1"], "Net has no submodule 'conv.1'; the nearest are .*convs.1"),
        (["convs.0", "zzz"], "no submodule 'zzz'; it has embedding, convs, convs.0"),
        (["convs.0", "convs.0"], "different submodules, but convs.0, convs.0 are the same"),
    ],
)
def test_names_that_cannot_be_layers(layers, message):
    with pytest.raises(ValueError, match=message):
        tap(Net(), layers)


@pytest.mark.parametrize(
    ("layers", "change", "message"),
    [
        (("convs.0", "spare"), {}, "must run once in a forward pass, but spare was not called"),
        (("convs.0", "convs.1"), {"repeats": 2}, "but convs.0 ran 2 times"),
        (("convs.0", "convs.1"), {"second": 4}, r"convs.0 is \(27, 8\), convs.1 is \(27, 4\)"),
    ],
)
def test_layers_that_do_not_fit(layers, change, message, batch):
    net = Net(second=change.get("second", 8))
    net.repeats = change.get("repeats", 1)
    with pytest.raises(ValueError, match=message):
        tap(net, layers)(batch)


def test_layers_on_edges_are_no_layers(batch):
    class OnEdges(Net):
        def forward(self, z, edge_index, molecule):
            self.spare(self.embedding(z)[edge_index[0]])
            return super().forward(z, edge_index, molecule)

    n_bonds = batch.bond_index.shape[1]
    with pytest.raises(ValueError, match=rf"with 27 atoms, but spare is \({n_bonds}, 8\)"):
        tap(OnEdges(), ("convs.0", "spare"))(batch)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, b: (with_bonds(net, b), 1), "`call` must return .* but returned tuple"),
        (lambda net, b: with_bonds(net, b)[:2], r"here with 5 molecules, but is \(2, 1\)"),
    ],
)
def test_predictions_that_do_not_fit(call, message, batch):
    with pytest.raises(ValueError, match=message):
        tap(Net(), call=call)(batch)


def test_one_number_a_molecule_becomes_a_column(batch, make_batch, molecules):
    flat = tap(Net(), call=lambda net, b: with_bonds(net, b).squeeze())
    assert flat(batch).prediction.shape == (5, 1)
    assert flat(make_batch([molecules["water"]])).prediction.shape == (1, 1)


def test_cutoffs():
    net = Net()
    assert tap(net).cutoff == 5.0
    net.cutoff = 7
    assert tap(net).cutoff == 7.0
    assert LayerTap(net, ["convs.0", "convs.1"], cutoff=3).cutoff == 3.0
    with pytest.raises(ValueError, match="`cutoff` must be a length > 0"):
        LayerTap(net, ["convs.0", "convs.1"], cutoff=0)
