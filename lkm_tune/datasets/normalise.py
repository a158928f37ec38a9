"""The scale on which a network learns a property, and the unit in which its error is told."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from lkm_tune.datasets.molecules import FloatArray

Values = TypeVar("Values", FloatArray, torch.Tensor)


@dataclass(frozen=True)
class Normaliser:
    """y_model = (y_raw − mean) / std, and one raw unit is `factor` of `unit`.

    Attributes:
        mean: Of the training part, raw unit, energies less their atoms.
        std: Standard deviation of the training part, raw unit.
        factor: One raw unit in the task's unit.
        unit: The task's unit.
    """

    mean: float
    std: float
    factor: float
    unit: str

    @classmethod
    def fit(cls, training_values: FloatArray, factor: float, unit: str) -> "Normaliser":
        """Takes mean and standard deviation from the training part and nothing else.

        Args:
            training_values: [n_train], raw unit, energies less their atoms.
            factor: One raw unit in `unit`.
            unit: The task's unit.

        Raises:
            ValueError: The values do not differ, so that there is nothing to learn.
        """
        mean, std = float(np.mean(training_values)), float(np.std(training_values))
        if not std > 1e-12 * max(1.0, abs(mean)):
            raise ValueError(
                f"the values of the training part must differ, but all {len(training_values)} "
                f"are {mean * factor:g} {unit}: nothing to learn; take more molecules"
            )
        return cls(mean, std, factor, unit)

    def to_model(self, values: Values) -> Values:
        """Turns raw values into those that a network learns; any shape."""
        return (values - self.mean) / self.std

    def to_unit(self, prediction: Values) -> Values:
        """Turns a network's output into the task's unit (energies less their atoms)."""
        return (prediction * self.std + self.mean) * self.factor

    def errors(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Absolute errors in the task's unit, float64.

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
        return difference.abs() * (self.std * self.factor)

    def error(self, prediction: torch.Tensor, target: torch.Tensor) -> float:
        """Mean absolute error in the task's unit; arguments as for `errors`."""
        return float(self.errors(prediction, target).mean())
