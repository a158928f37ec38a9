"""Losses and errors of tasks: properties, energies with forces, and classes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lkm_tune.datasets import MoleculeData, NodeData, Part, TaskData
from lkm_tune.graphs import MoleculeBatch
from lkm_tune.lkm import Judge
from lkm_tune.models import (
    ModelOutput,
    MoleculeModel,
    NodeClassifier,
    energy_and_forces,
    mean_over_atoms,
    prepare,
)
from lkm_tune.models.convolution import ConvolutionEdges
from lkm_tune.study import TrainingPlan
from lkm_tune.training.ahead import ahead
from lkm_tune.training.device import to_device

Indices = NDArray[Any]
"""[G] indices of samples in their dataset."""


PAIRS_AT_ONCE = 800_000
"""Default number of pairs of neighbours of an atom, over all atoms, that go through a network at
once.

A network with angles stores features of each pair. This number takes about 2 GB in training, and
four times as much with forces. 32 molecules of QM9 have 140,000 pairs.
"""


@dataclass(frozen=True, eq=False)
class Loss:
    """The share of some samples in the loss of a batch.

    Attributes:
        prediction: scalar; the shares of all samples of the batch sum to its L_pred.
        output: output of the network, with the layers to mix.
        share: share of these samples in the mixing term of the batch.
        judge: gives the error of a layer's prediction of these samples, for selective mixing.
    """

    prediction: Tensor
    output: ModelOutput
    share: float
    judge: Judge


@dataclass(frozen=True, eq=False)
class MoleculeSamples:
    """Some molecules of a batch, prepared for a network.

    Attributes:
        molecules: the molecules as the network prepares them.
        target: targets [G, P].
        forces: forces [N, 3], if the network learns forces.
        known: [P] the number of known values of each target among these molecules.
        known_in_batch: the number of known values of all targets in the batch.
        atoms_in_batch: the number of atoms in the batch.
        rows: the number of molecules in the batch.
    """

    molecules: MoleculeBatch
    target: Tensor
    forces: Tensor | None
    known: tuple[int, ...]
    known_in_batch: int
    atoms_in_batch: int
    rows: int

    @property
    def share(self) -> float:
        """The share of these molecules in the mixing term of the batch, a mean over atoms."""
        return self.molecules.n_atoms / self.atoms_in_batch


@dataclass(frozen=True, eq=False)
class NodeSamples:
    """Some nodes of a batch, on the prepared graph.

    Attributes:
        nodes: the nodes, int64 [n].
        edges: the edges as the network prepares them.
        rows: the number of nodes in the batch.
    """

    nodes: Tensor
    edges: ConvolutionEdges
    rows: int


Prepared = MoleculeSamples | NodeSamples
Samples = TypeVar("Samples", MoleculeSamples, NodeSamples)


class Objective(ABC, Generic[Samples]):
    """The loss of a task and its errors.

    Attributes:
        judged: name of the error that ranks runs.
        batch_size: samples of one optimiser step.
        micro_batch_size: samples that go through the network at once in training.
        eval_batch_size: samples that go through the network at once in validation and test.
        device: the device of the network.
    """

    judged = "error"

    def __init__(self, plan: TrainingPlan, device: torch.device) -> None:
        """Takes the sizes of the plan; samples are on `device`."""
        self.device = device
        self.batch_size = plan.batch_size
        self.micro_batch_size = plan.micro_batch_size or plan.batch_size
        self.eval_batch_size = plan.eval_batch_size

    @abstractmethod
    def samples(self, network: nn.Module, indices: Indices, batch: Indices) -> Samples:
        """The samples `indices` of `batch`, prepared for `network`, on the device.

        Another thread may call it while the network computes.
        """

    @abstractmethod
    def loss(self, network: nn.Module, samples: Samples) -> Loss:
        """The share of some samples in the loss of their batch; nothing waits for a GPU."""

    @abstractmethod
    def mean_errors(self, part: Part) -> dict[str, float]:
        """The errors of predicting the mean of the training part, on `part`."""

    @abstractmethod
    def _errors(self, network: nn.Module, samples: Samples) -> dict[str, tuple[Tensor, int]]:
        """The sum of every error by name, and its number of summands."""

    def judge(self, errors: Mapping[str, float]) -> float:
        """The error that ranks runs."""
        return errors[self.judged]

    def errors(self, network: nn.Module, indices: Indices) -> dict[str, float]:
        """Every error of `network` by name: the mean over these samples in the task's unit."""
        sums: dict[str, Tensor] = {}
        counts: dict[str, int] = {}

        def ready(begin: int) -> Samples:
            chosen = indices[begin : begin + self.eval_batch_size]
            return self.samples(network, chosen, chosen)

        for samples in ahead(range(0, len(indices), self.eval_batch_size), ready, self.device):
            for name, (total, count) in self._errors(network, samples).items():
                sums[name] = sums[name] + total if name in sums else total
                counts[name] = counts.get(name, 0) + count
        # The one wait for a GPU.
        totals = torch.stack(list(sums.values())).tolist()
        return {name: total / counts[name] for name, total in zip(sums, totals, strict=True)}


class Properties(Objective[MoleculeSamples]):
    """L_pred = mean |y − ŷ| over molecules and targets, on the scale of the training part.

    Missing values (NaN) count neither in the loss nor in the errors.

    The error is the MAE in the target's unit. Several targets have one MAE each, by name; the mean
    of MAE / σ ranks runs, with σ the target's standard deviation in the training part.

    Attributes:
        memory: memory of a sample in training, relative to a network without forces.
    """

    memory = 1

    def __init__(self, data: MoleculeData, plan: TrainingPlan, device: torch.device) -> None:
        """Takes the data; batches are on `device`."""
        super().__init__(plan, device)
        self.data = data
        names = [target.name for target in data.task.targets]
        self.names = names if len(names) > 1 else [self.judged]
        store = data.store
        n_edges, n_atoms = np.diff(store.edge_offsets), np.diff(store.atom_offsets)
        pairs = max(1.0, float((n_edges**2 / n_atoms).max()))
        fit = max(1, int(PAIRS_AT_ONCE / (self.memory * pairs)))
        self.micro_batch_size = plan.micro_batch_size or min(plan.batch_size, fit)
        self.eval_batch_size = min(plan.eval_batch_size, fit)

    def samples(self, network: nn.Module, indices: Indices, batch: Indices) -> MoleculeSamples:
        """See `Objective`."""
        molecules, target = self.data.batch(indices)
        samples = MoleculeSamples(
            molecules=prepare(network, molecules),
            target=target,
            forces=self._forces(indices),
            known=tuple(self.data.known[indices].sum(axis=0).tolist()),
            known_in_batch=int(self.data.known[batch].sum()),
            atoms_in_batch=self.data.n_atoms(batch),
            rows=len(batch),
        )
        return to_device(samples, self.device)

    def _forces(self, indices: Indices) -> Tensor | None:
        return None

    def loss(self, network: nn.Module, samples: MoleculeSamples) -> Loss:
        """See `Objective`."""
        output = network(samples.molecules)
        _check_shape(output, samples.target)
        prediction = _l1(output.prediction, samples.target, samples.known_in_batch)
        return Loss(prediction, output, samples.share, _judge_of_molecules(samples))

    def mean_errors(self, part: Part) -> dict[str, float]:
        """See `Objective`."""
        return dict(zip(self.names, self.data.mean_errors(part).tolist(), strict=True))

    def judge(self, errors: Mapping[str, float]) -> float:
        """The error; for several targets the mean of MAE / σ."""
        if len(self.names) == 1:
            return errors[self.judged]
        spreads = self.data.normaliser.units_per_step
        return float(np.mean(np.array([errors[name] for name in self.names]) / spreads))

    def _errors(
        self, network: nn.Module, samples: MoleculeSamples
    ) -> dict[str, tuple[Tensor, int]]:
        prediction = network(samples.molecules).prediction
        errors = self.data.normaliser.errors(prediction, samples.target)
        sums = errors.masked_fill(samples.target.isnan(), 0.0).sum(dim=0)
        return dict(zip(self.names, zip(sums, samples.known, strict=True), strict=True))


class EnergyAndForces(Properties):
    """L_pred = mean |E − Ê| + w · mean |F − F̂|, forces −dE/dR by component.

    Both are on the scale of the energies. w is the weight between an energy and a force in the
    units of the data, such as kcal/mol and kcal/mol/Å.
    """

    memory = 4

    def __init__(self, data: MoleculeData, plan: TrainingPlan, device: torch.device) -> None:
        """Takes the data; batches are on `device`."""
        super().__init__(data, plan, device)
        self.judged, self.weight = plan.judged_by, plan.force_weight
        self.names = ["energy"]

    def _forces(self, indices: Indices) -> Tensor:
        return self.data.forces(indices)

    def loss(self, network: nn.Module, samples: MoleculeSamples) -> Loss:
        """See `Objective`."""
        output, forces = energy_and_forces(
            cast(MoleculeModel, network), samples.molecules, trainable=True
        )
        _check_shape(output, samples.target)
        prediction = _l1(output.prediction, samples.target, samples.rows) + self.weight * _l1(
            forces, cast(Tensor, samples.forces), 3 * samples.atoms_in_batch
        )
        return Loss(prediction, output, samples.share, _judge_of_molecules(samples))

    def mean_errors(self, part: Part) -> dict[str, float]:
        """See `Objective`."""
        return super().mean_errors(part) | {"forces": self.data.mean_force_error(part)}

    def judge(self, errors: Mapping[str, float]) -> float:
        """The error of the energy or of the forces, by `training.judged_by`."""
        return errors[self.judged]

    def _errors(
        self, network: nn.Module, samples: MoleculeSamples
    ) -> dict[str, tuple[Tensor, int]]:
        output, forces = energy_and_forces(cast(MoleculeModel, network), samples.molecules)
        normaliser = self.data.normaliser
        energy = normaliser.errors(output.prediction, samples.target)
        wrong = (forces - cast(Tensor, samples.forces)).double().abs()
        wrong = wrong * float(normaliser.units_per_step[0])
        return {
            "energy": (energy.sum(), energy.numel()),
            "forces": (wrong.sum(), wrong.numel()),
        }


class Classes(Objective[NodeSamples]):
    """L_pred = mean cross-entropy of the training nodes; the error is 1 − accuracy.

    Every step uses the whole graph and mixes the states of all its nodes.
    """

    def __init__(self, data: NodeData, plan: TrainingPlan, device: torch.device) -> None:
        """Takes the data; the graph is on `device`."""
        super().__init__(plan, device)
        self.data = data
        self.batch_size = self.micro_batch_size = len(data.split.train)
        self.eval_batch_size = len(data.graph.labels)
        self.features = data.graph.features.to(device)
        self.labels = data.graph.labels.to(device)
        self._edges: dict[str, ConvolutionEdges] = {}

    def samples(self, network: nn.Module, indices: Indices, batch: Indices) -> NodeSamples:
        """See `Objective`."""
        classifier, graph = cast(NodeClassifier, network), self.data.graph
        kind = classifier.kind
        if kind not in self._edges:  # The graph is the same in every step.
            edges = classifier.prepare(graph.features, graph.edge_index)
            self._edges[kind] = to_device(edges, self.device)
        nodes = to_device(torch.from_numpy(indices), self.device)
        return NodeSamples(nodes, self._edges[kind], len(batch))

    def loss(self, network: nn.Module, samples: NodeSamples) -> Loss:
        """See `Objective`."""
        output, nodes = network(self.features, samples.edges), samples.nodes
        total = functional.cross_entropy(
            output.prediction[nodes], self.labels[nodes], reduction="sum"
        )

        def judge(outputs: Tensor) -> tuple[Tensor, Tensor]:
            errors = functional.cross_entropy(outputs[nodes], self.labels[nodes], reduction="none")
            # Nodes without a class count as the mean of the nodes with a class.
            of_all = errors.mean().expand(len(outputs)).index_copy(0, nodes, errors)
            return of_all, errors.sum() / samples.rows

        return Loss(total / samples.rows, output, len(nodes) / samples.rows, judge)

    def mean_errors(self, part: Part) -> dict[str, float]:
        """The error of predicting the most frequent class."""
        return {self.judged: self.data.mean_error(part)}

    def _errors(self, network: nn.Module, samples: NodeSamples) -> dict[str, tuple[Tensor, int]]:
        nodes = samples.nodes
        said = network(self.features, samples.edges).prediction[nodes].argmax(dim=1)
        wrong = (said != self.labels[nodes]).double()
        return {self.judged: (wrong.sum(), wrong.numel())}


def make_objective(data: TaskData, plan: TrainingPlan, device: torch.device) -> Objective[Any]:
    """The objective of a task.

    Raises:
        ValueError: if `judged_by` is forces and the run learns no forces.
    """
    if isinstance(data, NodeData):
        return Classes(data, plan, device)
    if data.task.forces and plan.force_weight > 0:
        return EnergyAndForces(data, plan, device)
    if data.task.forces and plan.judged_by == "forces":
        raise ValueError(
            "training.judged_by must be energy where training.force_weight is 0, but is forces"
        )
    return Properties(data, plan, device)


def _l1(values: Tensor, known: Tensor, count: int) -> Tensor:
    """Σ |difference| / count, for the known ones of [n, columns]; the batch has `count` of them."""
    return _differences(values, known).abs().sum() / count


def _differences(values: Tensor, known: Tensor) -> Tensor:
    """`values` − `known`, and 0 (with no gradient) where `known` is missing (NaN)."""
    return torch.where(known.isnan(), 0.0, values - known)


def _judge_of_molecules(samples: MoleculeSamples) -> Judge:
    molecules, target = samples.molecules, samples.target

    def judge(outputs: Tensor) -> tuple[Tensor, Tensor]:
        errors = _differences(mean_over_atoms(outputs, molecules), target).abs().sum(dim=1)
        errors = errors / (~target.isnan()).sum(dim=1)
        return errors[molecules.graph_index], errors.sum() / samples.rows

    return judge


def _check_shape(output: ModelOutput, target: Tensor) -> None:
    if output.prediction.shape != target.shape:
        raise ValueError(
            f"the model must predict [molecules, targets] = {tuple(target.shape)}, "
            f"but predicts {tuple(output.prediction.shape)}"
        )
