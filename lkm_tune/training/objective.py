"""Losses and errors of tasks: properties, energies with forces, and classes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lkm_tune.datasets import MoleculeData, NodeData, Part, TaskData
from lkm_tune.graphs import MoleculeBatch
from lkm_tune.lkm import Judge
from lkm_tune.models import ModelOutput, MoleculeModel, energy_and_forces, mean_over_atoms
from lkm_tune.study import TrainingPlan

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


class Objective(ABC):
    """The loss of a task and its errors.

    Attributes:
        judged: name of the error that ranks runs.
        batch_size: samples of one optimiser step.
        micro_batch_size: samples that go through the network at once in training.
        eval_batch_size: samples that go through the network at once in validation and test.
    """

    judged = "error"

    def __init__(self, plan: TrainingPlan) -> None:
        """Takes the sizes of the plan."""
        self.batch_size = plan.batch_size
        self.micro_batch_size = plan.micro_batch_size or plan.batch_size
        self.eval_batch_size = plan.eval_batch_size

    @abstractmethod
    def loss(self, network: nn.Module, indices: Indices, batch: Indices) -> Loss:
        """The share of the samples `indices` in the loss of `batch`, which contains them."""

    @abstractmethod
    def mean_errors(self, part: Part) -> dict[str, float]:
        """The errors of predicting the mean of the training part, on `part`."""

    @abstractmethod
    def _errors(self, network: nn.Module, indices: Indices) -> dict[str, Tensor]:
        """Every error by name, for each sample, atom or component, in any shape."""

    def judge(self, errors: Mapping[str, float]) -> float:
        """The error that ranks runs."""
        return errors[self.judged]

    def errors(self, network: nn.Module, indices: Indices) -> dict[str, float]:
        """Every error of `network` by name: the mean over these samples in the task's unit."""
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        for begin in range(0, len(indices), self.eval_batch_size):
            chosen = indices[begin : begin + self.eval_batch_size]
            for name, values in self._errors(network, chosen).items():
                sums[name] = sums.get(name, 0.0) + float(values.sum())
                counts[name] = counts.get(name, 0) + values.numel()
        return {name: sums[name] / counts[name] for name in sums}


class Properties(Objective):
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
        super().__init__(plan)
        self.data, self.device = data, device
        names = [target.name for target in data.task.targets]
        self.names = names if len(names) > 1 else [self.judged]
        store = data.store
        n_edges, n_atoms = np.diff(store.edge_offsets), np.diff(store.atom_offsets)
        pairs = max(1.0, float((n_edges**2 / n_atoms).max()))
        fit = max(1, int(PAIRS_AT_ONCE / (self.memory * pairs)))
        self.micro_batch_size = plan.micro_batch_size or min(plan.batch_size, fit)
        self.eval_batch_size = min(plan.eval_batch_size, fit)

    def loss(self, network: nn.Module, indices: Indices, batch: Indices) -> Loss:
        """See `Objective`."""
        molecules, target = self.data.batch(indices, self.device)
        output = network(molecules)
        _check_shape(output, target)
        prediction = _l1(output.prediction, target, int(self.data.known[batch].sum()))
        judge = _judge_of_molecules(molecules, target, len(batch))
        return Loss(prediction, output, self._share(indices, batch), judge)

    def mean_errors(self, part: Part) -> dict[str, float]:
        """See `Objective`."""
        return dict(zip(self.names, self.data.mean_errors(part).tolist(), strict=True))

    def judge(self, errors: Mapping[str, float]) -> float:
        """The error; for several targets the mean of MAE / σ."""
        if len(self.names) == 1:
            return errors[self.judged]
        spreads = self.data.normaliser.units_per_step
        return float(np.mean(np.array([errors[name] for name in self.names]) / spreads))

    def _errors(self, network: nn.Module, indices: Indices) -> dict[str, Tensor]:
        molecules, target = self.data.batch(indices, self.device)
        errors = self.data.normaliser.errors(network(molecules).prediction, target)
        columns = zip(self.names, errors.unbind(1), target.isnan().unbind(1), strict=True)
        return {name: values[~missing] for name, values, missing in columns}

    def _share(self, indices: Indices, batch: Indices) -> float:
        # The mixing term is a mean over atoms.
        if len(indices) == len(batch):
            return 1.0
        return self.data.n_atoms(indices) / self.data.n_atoms(batch)


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

    def loss(self, network: nn.Module, indices: Indices, batch: Indices) -> Loss:
        """See `Objective`."""
        molecules, target = self.data.batch(indices, self.device)
        output, forces = energy_and_forces(cast(MoleculeModel, network), molecules, trainable=True)
        _check_shape(output, target)
        known = self.data.forces(indices, self.device)
        prediction = _l1(output.prediction, target, len(batch)) + self.weight * _l1(
            forces, known, 3 * self.data.n_atoms(batch)
        )
        judge = _judge_of_molecules(molecules, target, len(batch))
        return Loss(prediction, output, self._share(indices, batch), judge)

    def mean_errors(self, part: Part) -> dict[str, float]:
        """See `Objective`."""
        return super().mean_errors(part) | {"forces": self.data.mean_force_error(part)}

    def judge(self, errors: Mapping[str, float]) -> float:
        """The error of the energy or of the forces, by `training.judged_by`."""
        return errors[self.judged]

    def _errors(self, network: nn.Module, indices: Indices) -> dict[str, Tensor]:
        molecules, target = self.data.batch(indices, self.device)
        output, forces = energy_and_forces(cast(MoleculeModel, network), molecules)
        known = self.data.forces(indices, self.device)
        normaliser = self.data.normaliser
        return {
            "energy": normaliser.errors(output.prediction, target),
            "forces": (forces - known).double().abs() * float(normaliser.units_per_step[0]),
        }


class Classes(Objective):
    """L_pred = mean cross-entropy of the training nodes; the error is 1 − accuracy.

    Every step uses the whole graph and mixes the states of all its nodes.
    """

    def __init__(self, data: NodeData, plan: TrainingPlan, device: torch.device) -> None:
        """Takes the data; the graph is on `device`."""
        super().__init__(plan)
        self.data = data
        self.batch_size = self.micro_batch_size = len(data.split.train)
        self.eval_batch_size = len(data.graph.labels)
        self.features = data.graph.features.to(device)
        self.edge_index = data.graph.edge_index.to(device)
        self.labels = data.graph.labels.to(device)

    def loss(self, network: nn.Module, indices: Indices, batch: Indices) -> Loss:
        """See `Objective`."""
        output = network(self.features, self.edge_index)
        nodes = torch.from_numpy(indices).to(self.labels.device)
        total = functional.cross_entropy(
            output.prediction[nodes], self.labels[nodes], reduction="sum"
        )

        def judge(outputs: Tensor) -> tuple[Tensor, Tensor]:
            errors = functional.cross_entropy(outputs[nodes], self.labels[nodes], reduction="none")
            # Nodes without a class count as the mean of the nodes with a class.
            of_all = errors.mean().expand(len(outputs)).index_copy(0, nodes, errors)
            return of_all, errors.sum() / len(batch)

        return Loss(total / len(batch), output, len(indices) / len(batch), judge)

    def mean_errors(self, part: Part) -> dict[str, float]:
        """The error of predicting the most frequent class."""
        return {self.judged: self.data.mean_error(part)}

    def _errors(self, network: nn.Module, indices: Indices) -> dict[str, Tensor]:
        nodes = torch.from_numpy(indices).to(self.labels.device)
        said = network(self.features, self.edge_index).prediction[nodes].argmax(dim=1)
        return {self.judged: (said != self.labels[nodes]).double()}


def make_objective(data: TaskData, plan: TrainingPlan, device: torch.device) -> Objective:
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


def _judge_of_molecules(molecules: MoleculeBatch, target: Tensor, rows: int) -> Judge:
    def judge(outputs: Tensor) -> tuple[Tensor, Tensor]:
        errors = _differences(mean_over_atoms(outputs, molecules), target).abs().sum(dim=1)
        errors = errors / (~target.isnan()).sum(dim=1)
        return errors[molecules.graph_index], errors.sum() / rows

    return judge


def _check_shape(output: ModelOutput, target: Tensor) -> None:
    if output.prediction.shape != target.shape:
        raise ValueError(
            f"the model must predict [molecules, targets] = {tuple(target.shape)}, "
            f"but predicts {tuple(output.prediction.shape)}"
        )
