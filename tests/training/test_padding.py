"""Padded batches have few shapes, and the losses and gradients of batches without padding."""

from dataclasses import dataclass, replace

import pytest
import torch

from lkm_tune.graphs import MoleculeBatch
from lkm_tune.models import MODELS, PaddingError, SizeClasses, padded, sizes_of
from lkm_tune.models.padding import SPARE, STEP
from lkm_tune.study import DataPlan, LkmOptions, RunConfig, TrainingPlan
from lkm_tune.training import ArrayRun
from lkm_tune.training.steps import shapes_of

CONFIG = RunConfig(
    model="pamnet",
    task="qm9/alpha",
    model_settings={"hidden": 8, "depth": 2},
    data=DataPlan(source="sample", n_train=64, n_val=8, n_test=8),
    training=TrainingPlan(epochs=2, batch_size=16),
    gamma=0.1,
    seed=3,
)
SIZES = {
    "dimenet++": {"hidden": 8, "depth": 1, "int_emb_size": 4, "out_emb_channels": 8},
}
FORCES = {"task": "rmd17/ethanol", "data": DataPlan(None, 32, 8, 8)}


def sized(model):
    return {"model_settings": SIZES.get(model, CONFIG.model_settings)}


@pytest.fixture
def start(build, exactly):
    return lambda **changes: exactly([build(replace(CONFIG, **changes))])[0]


def both(run):
    """A batch without padding and with it."""
    batch, classes = run.data.split.train[3:19], run.batches.size_classes()
    return run.batches.parts(batch), run.batches.parts(batch, classes)


@pytest.mark.parametrize(
    "changes",
    [
        *({"model": name, **sized(name)} for name in MODELS),
        *({"model": name, **sized(name), **FORCES} for name in ("pamnet", "mxmnet", "dimenet++")),
        {"lkm": LkmOptions(mixing="neighbours")},
        *({"model": "gin", "lkm": LkmOptions(mixing=m)} for m in ("learned", "confidence")),
        {"lkm": LkmOptions(distance="l1", reduction="sum", teacher="detached")},
        {"training": replace(CONFIG.training, micro_batch_size=5)},
        {"model": "gcn", "model_settings": {"hidden": 8, "pooling": "mean", "graph": "bonds"}},
    ],
    ids=lambda changes: "-".join(str(v)[:30] for v in changes.values()),
)
def test_padding_changes_no_number(start, changes):
    run = start(**changes)
    (loss, gradients), (other, others) = (run.program.gradient(parts) for parts in both(run))
    torch.testing.assert_close(other, loss, rtol=1e-12, atol=0)
    for one, with_padding in zip(*gradients, *others, strict=True):
        assert (one is None) == (with_padding is None)
        if one is not None:
            torch.testing.assert_close(with_padding, one, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "changes", [{}, {"model": "dimenet++", **sized("dimenet++"), **FORCES}, {"model": "gat"}]
)
def test_padding_changes_no_number_of_an_array(start, changes):
    runs = [start(gamma=gamma, **changes) for gamma in (0.0, 0.1)]
    array = ArrayRun(runs)
    program = array.program(runs)
    (loss, gradient), (other, with_padding) = (program.unclipped(parts) for parts in both(runs[0]))
    torch.testing.assert_close(other, loss, rtol=1e-6, atol=0)
    torch.testing.assert_close(with_padding, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_the_batches_of_an_epoch_have_few_shapes(start, model):
    run = start(model=model, **sized(model), data=replace(CONFIG.data, n_train=200))
    classes = run.batches.size_classes()
    found, more = set(), []
    for batch in run.batches.draw()[:-1]:
        (plain,), (part,) = run.batches.parts(batch), run.batches.parts(batch, classes)
        have, wide = sizes_of(plain.molecules), sizes_of(part.molecules)
        assert wide == classes.fit(have)
        assert all(wide[name] - have[name] >= SPARE for name in have)
        found.add(shapes_of([part]))
        more.append(wide["atoms"] / have["atoms"])
    assert len(found) <= 5
    assert sum(more) / len(more) < 1.35


@pytest.mark.parametrize(
    ("batch", "scale"),
    [
        ({"atoms": 100, "edges": 1000}, 1.0),
        ({"atoms": 90, "edges": 900}, STEP**-1),
        ({"atoms": 100, "edges": 1001}, STEP),
        # Two atoms of padding would get 100 edges.
        ({"atoms": 100, "edges": 700}, STEP),
        ({"atoms": 100, "edges": 0}, 1.0),
    ],
)
def test_a_class_has_room_for_the_edges_of_its_padding(batch, scale):
    found = SizeClasses({"atoms": 100, "edges": 1000}).fit(batch)
    known = {"atoms": 100 * scale + SPARE, "edges": 1000 * scale + SPARE}
    assert found == {name: -int(-size // 1) for name, size in known.items()}


@dataclass(frozen=True, eq=False)
class Other(MoleculeBatch):
    """A batch as a user's network prepares it."""


def test_a_batch_of_another_type_is_refused():
    z, none = torch.tensor([6]), torch.empty(2, 0, dtype=torch.int64)
    batch = Other(z, torch.zeros(1, 3), torch.zeros_like(z), 1, none, 5.0, none)
    for act in (sizes_of, lambda batch: padded(batch, {})):
        with pytest.raises(PaddingError, match="type Other cannot be padded"):
            act(batch)
