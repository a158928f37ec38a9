"""The scale of a network's targets, and the unit of its errors."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from lkm_tune.datasets.dataset import AtomReferences, Target
from lkm_tune.datasets.molecules import FloatArray, IntArray


@dataclass(frozen=True)
class Scale:
    """y_model = (y_raw − Σ_atoms reference − mean) / std, and one raw unit is `factor` of `unit`.

    Attributes:
        name: Name of the target.
        mean: Mean of the training part in the raw unit, minus free atoms.
        std: Standard deviation of the training part, raw unit.
        factor: One raw unit in the target's unit.
        unit: The target's unit.
        references: (atomic number, energy in the raw unit) pairs; empty if none are subtracted.
    """

    name: str
    mean: float
    std: float
    factor: float
    unit: str
    references: AtomReferences = ()

    def atoms(self, z: IntArray) -> float:
        """The sum of the references of one molecule's atoms [n], in the raw unit.

        Raises:
            ValueError: An element has no reference.
        """
        if not self.references:
            return 0.0
        energies = dict(self.references)
        unknown = sorted(set(z.tolist()) - set(energies))
        if unknown:
            raise ValueError(
                f"{self.name} has the energies of free atoms {sorted(energies)}, but got "
                f"atomic numbers {unknown}"
            )
        return sum(energies[int(element)] for element in z)


@dataclass(frozen=True)
class Normaliser:
    """One `Scale` per target.

    Attributes:
        scales: P scales, in the order of the targets.
    """

    scales: tuple[Scale, ...]

    @classmethod
    def fit(
        cls,
        values: FloatArray,
        targets: Sequence[Target],
        references: Sequence[AtomReferences] | None = None,
    ) -> "Normaliser":
        """Computes means and standard deviations of the training part.

        Args:
            values: [n_train, P] values in the raw unit, minus free atoms.
            targets: P targets.
            references: The subtracted references of each target; none by default.

        Raises:
            ValueError: All values of a target are equal.
        """
        scales = []
        for column, target in enumerate(targets):
            known = values[~np.isnan(values[:, column]), column]
            mean, std = float(np.mean(known)), float(np.std(known))
            if not std > 1e-12 * max(1.0, abs(mean)):
                raise ValueError(
                    f"the values of {target.name} in the training part must differ, but all "
                    f"{len(known)} are {mean * target.factor:g} {target.unit}: nothing to learn; "
                    "take more samples"
                )
            taken = references[column] if references else ()
            scales.append(Scale(target.name, mean, std, target.factor, target.unit, taken))
        return cls(tuple(scales))

    def to_model(self, values: FloatArray) -> FloatArray:
        """Turns raw values minus free atoms [..., P] into the network's targets."""
        return (values - self._column("mean")) / self._column("std")

    def to_unit(self, prediction: FloatArray) -> FloatArray:
        """Turns a network's output [..., P] into the targets' units, minus free atoms."""
        raw: FloatArray = prediction * self._column("std") + self._column("mean")
        return raw * self._column("factor")

    def errors(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Absolute errors [G, P] in the targets' units, float64.

        Args:
            prediction: [G, P] output of the network.
            target: [G, P] on the same scale.

        Raises:
            ValueError: The shapes differ (broadcasting would give a wrong mean silently).
        """
        if prediction.shape != target.shape:
            raise ValueError(
                "prediction and target must have the same shape, but have "
                f"{tuple(prediction.shape)} and {tuple(target.shape)}"
            )
        difference = prediction.detach().double() - target.detach().double()
        units = _on(difference.device, tuple(self.units_per_step.tolist()))
        return difference.abs() * units

    @property
    def units_per_step(self) -> FloatArray:
        """[P] a change of 1 in the network's output, in the targets' units."""
        return self._column("std") * self._column("factor")

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Normaliser":
        """The inverse of `to_dict`, also for data from JSON."""
        scales = []
        for scale in data["scales"]:
            pairs = tuple((int(z), float(energy)) for z, energy in scale["references"])
            scales.append(Scale(**{**scale, "references": pairs}))
        return cls(tuple(scales))

    def _column(self, field: str) -> FloatArray:
        return np.array([getattr(scale, field) for scale in self.scales])


@lru_cache(maxsize=64)
def _on(device: torch.device, numbers: tuple[float, ...]) -> torch.Tensor:
    """Numbers on a device, copied once: each copy waits for a GPU."""
    return torch.tensor(numbers, dtype=torch.float64, device=device)
