"""States of atoms and gradients inside a network, on samples of its task."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_numbers
from ase.formula import Formula
from numpy.typing import NDArray
from torch import Tensor

from lkm_tune.datasets import MoleculeData, NodeData, Origin
from lkm_tune.datasets.molecule_store import MoleculeStore
from lkm_tune.diagnostics import GradientNorms, LayerFigures, gradient_norms, measure_layers
from lkm_tune.diagnostics.environment import is_benzene
from lkm_tune.models import prepare
from lkm_tune.training.device import to_device
from lkm_tune.training.objective import Loss, mixing_term
from lkm_tune.training.samples import Indices
from lkm_tune.training.training_run import TrainingRun
from lkm_tune.training.weights import read_trusted

STEPS_BETWEEN_LOOKS = 100
"""Training steps between two measurements; a measurement costs two to four training steps."""


@dataclass(frozen=True, eq=False)
class AtomStates:
    """The states of the atoms of some samples after each layer.

    Attributes:
        layers: L states, each [N, D], without their graph.
        kinds: atomic numbers [N], or classes of nodes.
        edges: covalent bonds [2, B], equal for every architecture, or the edges of the graph of
            nodes; both directions.
    """

    layers: list[Tensor]
    kinds: Tensor
    edges: Tensor

    @property
    def figures(self) -> LayerFigures:
        """The figures of the layers."""
        return measure_layers(self.layers, self.edges)


def reopen(path: Path, own_model: str | None = None, cache: Path | None = None) -> TrainingRun:
    """The run of a model.safetensors, with its trained weights and its data.

    Args:
        path: the file.
        own_model: the name of a user's model whose code may be imported.
        cache: the folder of prepared data; None for the default.

    Raises:
        ValueError: if the file is invalid, if it holds a user's model other than `own_model`, or if
            its training data are missing or have changed.
    """
    weights, header, config = read_trusted(path, own_model)
    origin = Origin(digest=header.get("data"))
    run = TrainingRun(config, cache=cache, weights=weights, origin=origin)
    run.model.eval()
    return run


@torch.no_grad()
def atom_states(run: TrainingRun, indices: Indices) -> AtomStates:
    """The states of the atoms of samples, or of all nodes of a graph.

    Args:
        run: the run with the network.
        indices: indices of the samples in their dataset.
    """
    network, data = run.model, run.data
    if isinstance(data, NodeData):
        graph = data.graph
        every = np.arange(len(graph.labels))
        edges = run.objective.samples(network, every, every).edges
        layers = network(graph.features.to(run.device), edges).layers
        return AtomStates([layer.cpu() for layer in layers], graph.labels, graph.edge_index)
    parts: list[list[Tensor]] = []
    kinds, edges, before = [], [], 0
    for begin in range(0, len(indices), run.objective.eval_batch_size):
        batch, _ = data.batch(indices[begin : begin + run.objective.eval_batch_size])
        prepared = to_device(prepare(network, batch), run.device)
        parts.append([layer.cpu() for layer in network(prepared).layers])
        kinds.append(batch.z)
        edges.append(batch.bond_index + before)
        before += batch.n_atoms
    layers = [torch.cat(states) for states in zip(*parts, strict=True)]
    return AtomStates(layers, torch.cat(kinds), torch.cat(edges, dim=1))


def gradients(run: TrainingRun, indices: Indices) -> GradientNorms:
    """The gradient norms of the mixing term and of the prediction loss, in evaluation mode.

    Args:
        run: the run with network and loss.
        indices: indices of samples; at most as many as go through the network at once in training.
    """
    samples = run.objective.samples(run.model, indices, indices)
    return _gradients(run, run.objective.loss(run.model, samples))


def _gradients(run: TrainingRun, loss: Loss) -> GradientNorms:
    kd, _ = mixing_term(run.mixing, loss, run.config.lkm)
    return gradient_norms(loss.prediction, kd, run.config.gamma, run.parameters)


def epoch_figures(run: TrainingRun) -> dict[str, float]:
    """The figures of a run's layers after its present epoch, by name, without NaN.

    They are the figures of `LayerFigures.metrics`, the `gradient_prediction`, `gradient_mixing` and
    `gradient_ratio` of `gradients`, and with selective mixing each layer's mean `share` in the
    teachers. They use the same validation samples each time, as many as one training step has.
    Empty for epochs without a measurement: the first and the last epoch have one, and so has every
    epoch after `STEPS_BETWEEN_LOOKS` further training steps, rounded up to whole epochs.

    Args:
        run: the run after an epoch; the time of the measurement counts in it.
    """
    epoch = len(run.history)
    steps = math.ceil(len(run.data.split.train) / run.objective.batch_size)
    if epoch != 1 and not run.finished and epoch % math.ceil(STEPS_BETWEEN_LOOKS / steps):
        return {}
    begun = time.perf_counter()
    found = _figures(run)
    run.diagnostics_seconds += time.perf_counter() - begun
    return found


def _figures(run: TrainingRun) -> dict[str, float]:
    run.model.eval()
    size = min(run.objective.micro_batch_size, run.objective.eval_batch_size)
    chosen = run.data.split.val[:size]
    samples = run.objective.samples(run.model, chosen, chosen)
    loss = run.objective.loss(run.model, samples)
    pull = _gradients(run, loss)
    weights, _ = run.mixing(loss.output.layers, loss.judge)
    shares = [] if weights is None else weights.transpose(0, 1).flatten(1).mean(dim=1).tolist()
    found = atom_states(run, chosen).figures.metrics() | {
        "gradient_prediction": pull.prediction,
        "gradient_mixing": pull.mixing,
        "gradient_ratio": pull.ratio,
    }
    found |= {f"share/{layer}": share for layer, share in enumerate(shares, start=1)}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def find_molecule(data: MoleculeData, wanted: str | None = None) -> int:
    """The index of a molecule in its dataset.

    Args:
        data: the data of the task.
        wanted: `benzene`, a formula such as `C6H6` (the first match counts), or the number of the
            molecule in its dataset. None for benzene, or for the largest molecule of the validation
            part if there is no benzene.

    Raises:
        ValueError: if there is no such molecule.
    """
    store = data.store
    if wanted is not None and wanted.isdigit():
        found = np.flatnonzero(store.ids == int(wanted))
    else:
        found = _alike(store, wanted or "benzene")
    if len(found):
        return int(found[0])
    if wanted is not None:
        raise ValueError(
            f"there is no molecule {wanted} in {data.task.name}: give benzene, a formula as C2H6O, "
            f"or a number as {store.ids[0]}"
        )
    part = data.split.val
    return int(part[np.diff(store.atom_offsets)[part].argmax()])


def _alike(store: MoleculeStore, wanted: str) -> NDArray[np.int64]:
    benzene = wanted.lower() == "benzene"
    try:
        counts = Formula("C6H6" if benzene else wanted).count()
    except ValueError:
        return np.array([], dtype=np.int64)
    z = np.sort(np.repeat([atomic_numbers[s] for s in counts], list(counts.values())))
    sized = np.flatnonzero(np.diff(store.atom_offsets) == len(z))
    begins = store.atom_offsets[sized]
    same = [bool((np.sort(store.z[b : b + len(z)]) == z).all()) for b in begins]
    found: NDArray[np.int64] = sized[np.array(same, dtype=bool)]
    if benzene:
        batches = {int(i): store.batch([i]) for i in found}
        ring = [i for i, batch in batches.items() if is_benzene(batch.z, batch.bond_index)]
        return np.array(ring, dtype=np.int64)
    return found
