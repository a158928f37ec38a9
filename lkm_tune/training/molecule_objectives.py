"""Losses and errors of molecules: properties, and energies with forces."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from lkm_tune.datasets import MoleculeData, Part
from lkm_tune.lkm import Judge
from lkm_tune.models import (
    ModelOutput,
    MoleculeModel,
    SizeClasses,
    energy_and_forces,
    mean_over_atoms,
    prepare,
    sizes_of,
)
from lkm_tune.study import TrainingPlan
from lkm_tune.training.device import to_device
from lkm_tune.training.objective import Loss, Objective
from lkm_tune.training.samples import Indices, MoleculeSamples

PAIRS_AT_ONCE = 800_000
"""Default number of pairs of neighbours of an atom, over all atoms, that go through a network at
once.

A network with angles stores features of each pair. This number takes about 2 GB in training, and
four times as much with forces. 32 molecules of QM9 have 140,000 pairs.
"""


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

    def samples(
        self,
        network: nn.Module,
        indices: Indices,
        batch: Indices,
        classes: SizeClasses | None = None,
    ) -> MoleculeSamples:
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
        return to_device(samples.padded(classes) if classes else samples, self.device)

    def size_classes(self, network: nn.Module, indices: Indices) -> SizeClasses:
        """See `Objective`; samples from the whole range of `indices` make the usual batch."""
        n = min(self.micro_batch_size, len(indices))
        usual = indices[np.linspace(0, len(indices) - 1, n).round().astype(int)]
        return SizeClasses(sizes_of(prepare(network, self.data.batch(usual)[0])))

    def _forces(self, indices: Indices) -> Tensor | None:
        return None

    def loss(self, network: nn.Module, samples: MoleculeSamples) -> Loss:
        """See `Objective`."""
        output = network(samples.molecules)
        _check_shape(output, samples.target)
        prediction = _l1(output.prediction, samples.target, samples.known_in_batch)
        return _loss(prediction, output, samples)

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
        return _loss(prediction, output, samples)

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


def _loss(prediction: Tensor, output: ModelOutput, samples: MoleculeSamples) -> Loss:
    counted = replace(output, layers=samples.counted(output.layers))
    return Loss(prediction, counted, samples.share, _judge_of_molecules(samples))


def _l1(values: Tensor, known: Tensor, count: int | Tensor) -> Tensor:
    """Σ |difference| / count, for the known ones of [n, columns]; the batch has `count` of them."""
    return _differences(values, known).abs().sum() / count


def _differences(values: Tensor, known: Tensor) -> Tensor:
    """`values` − `known`, and 0 (with no gradient) where `known` is missing (NaN)."""
    return torch.where(known.isnan(), 0.0, values - known)


def _judge_of_molecules(samples: MoleculeSamples) -> Judge:
    molecules, target = samples.molecules, samples.target

    def judge(outputs: Tensor) -> tuple[Tensor, Tensor]:
        errors = _differences(mean_over_atoms(outputs, molecules), target).abs().sum(dim=1)
        errors = errors / (~target.isnan()).sum(dim=1).clamp_min(1)
        return errors[molecules.graph_index], errors.sum() / samples.rows

    return judge


def _check_shape(output: ModelOutput, target: Tensor) -> None:
    if output.prediction.shape != target.shape:
        raise ValueError(
            f"the model must predict [molecules, targets] = {tuple(target.shape)}, "
            f"but predicts {tuple(output.prediction.shape)}"
        )
