"""User's models, by the name of the function that builds them."""

import copy

import pytest
import torch

from lkm_tune.models import ModelOutput, build_model, is_own, model_settings

SOURCE = """
import torch
from torch import nn

from lkm_tune.models import LayerTap, ModelOutput, sum_over_atoms


class Net(nn.Module):
    def __init__(self, width=8, depth=2):
        super().__init__()
        self.embedding = nn.Embedding(10, width)
        self.convs = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 1)
        self.spoil = None

    def forward(self, batch):
        source, target = batch.bond_index
        layers, h = [], self.embedding(batch.z)
        for conv in self.convs:
            x = conv(h)
            h = torch.tanh(x.index_add(0, target, x[source]))
            layers.append(h)
        output = ModelOutput(sum_over_atoms(self.head(h), batch), layers)
        return self.spoil(output) if self.spoil else output


def build(width: int = 8, depth: int = 2, activation=nn.ReLU, *, names=("a", "b"), **more):
    return Net(width, depth)


def far():
    net = Net(4, 2)
    net.cutoff = 3
    return net


class Nets:
    build = staticmethod(build)


def needs(width, depth, scale=1.0): ...
def number(): return 3
def breaks(): raise KeyError("width")
def cut():
    net = Net(4, 2)
    net.cutoff = nn.Identity()
    return net
def untapped():
    return LayerTap(Net(4, 2), ["convs.0", "conv.1"])
constant = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The module of a user: `own("build")` is the name of a model in it."""
    (tmp_path / "users_nets.py").write_text(SOURCE)
    (tmp_path / "users_broken.py").write_text("import nothing_of_the_kind\n")
    (tmp_path / "users_typo.py").write_text("def build(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "users_nets", raising=False)
    return lambda name: f"users_nets:{name}"


def test_settings_are_the_keyword_parameters(own):
    assert is_own(own("build"))
    assert not is_own("dimenet++")
    assert model_settings(own("build")) == {"width": 8, "depth": 2, "names": ("a", "b")}
    assert model_settings(own("Nets.build")) == model_settings(own("build"))


def test_an_own_model_is_built_and_runs(own, make_batch, molecules):
    model = build_model(own("build"), width=6, depth=3)
    output = model(make_batch([molecules["water"], molecules["methane"]]))
    assert isinstance(output, ModelOutput)
    assert [layer.shape for layer in output.layers] == [(8, 6)] * 3
    assert model.cutoff == 5.0
    assert build_model(own("far")).cutoff == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("users_absent:build", "users_absent cannot be imported: ModuleNotFoundError"),
        ("users_broken:build", "users_broken cannot be imported: .*nothing_of_the_kind"),
        ("users_typo:build", "users_typo cannot be imported: SyntaxError"),
        ("users_nets:biuld", r"users_nets \(.*users_nets.py\) has no biuld"),
        ("users_nets:constant", "users_nets:constant must be a function, but is of type int"),
        ("users_nets:needs", "must have a default, but width, depth has none"),
        ("users_nets:", "is written package.module:function, got 'users_nets:'"),
        ("math:hypot", "the parameters of math:hypot are unknown"),
    ],
)
def test_functions_that_cannot_be_used(own, name, message):
    with pytest.raises(ValueError, match=message):
        model_settings(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("number", r"must return a torch.nn.Module, but returned int"),
        ("breaks", "users_nets:breaks failed: KeyError: 'width'"),
        ("untapped", "users_nets:untapped failed: .*no submodule 'conv.1'; the nearest are convs"),
        ("cut", r"radius in Å .*, but users_nets:cut has cutoff=Identity\(\)"),
    ],
)
def test_what_cannot_be_built(own, name, message):
    with pytest.raises(ValueError, match=message):
        build_model(own(name))


def test_an_unknown_setting_is_answered_with_the_known_ones(own):
    with pytest.raises(ValueError, match="no setting heads; its settings are width, depth, names"):
        build_model(own("build"), heads=3)
    with pytest.raises(ValueError, match="no setting activation"):
        build_model(own("build"), activation="relu")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda o: o.prediction, "must return .*ModelOutput, but Net returned Tensor; .*LayerTap"),
        (lambda o: ModelOutput(o.prediction[:, 0], o.layers), r"with 2 molecules.*returned \(2,\)"),
        (lambda o: ModelOutput(o.prediction[:1], o.layers), r"with 2 molecules.*returned \(1, 1\)"),
        (lambda o: ModelOutput(None, o.layers), r"but Net returned \(\)"),
        (lambda o: ModelOutput(o.prediction, o.layers[:1]), "at least two tensors of one shape"),
        (lambda o: ModelOutput(o.prediction, [x[:3] for x in o.layers]), "with 8 atoms"),
        (
            lambda o: ModelOutput(o.prediction, [o.layers[0], o.layers[1][:, :2]]),
            r"returned \[\(8, 8\), \(8, 2\)\]",
        ),
        (lambda o: ModelOutput(o.prediction, [x[None] for x in o.layers]), "of one shape"),
    ],
)
def test_outputs_that_do_not_fit(own, spoil, message, make_batch, molecules):
    """The check also runs in a copy, which validation uses."""
    model = build_model(own("build"))
    model.spoil = spoil
    batch = make_batch([molecules["water"], molecules["methane"]])
    for net in (model, copy.deepcopy(model)):
        with pytest.raises(ValueError, match=message):
            net(batch)


def test_a_class_is_a_function_too(own, make_batch, molecules):
    """A class of a module works, if all its arguments have defaults."""
    assert model_settings(own("Net")) == {"width": 8, "depth": 2}
    batch = make_batch([molecules["water"]]).to(dtype=torch.float32)
    named, usual = (_seeded(own(name), width=4)(batch) for name in ("Net", "build"))
    assert torch.equal(named.prediction, usual.prediction)


def _seeded(name, **settings):
    torch.manual_seed(0)
    return build_model(name, **settings)
