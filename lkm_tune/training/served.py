"""A trained network as MLflow loads it: `mlflow.pyfunc.load_model` finds it by this module's name.

The model that MLflow keeps is our own model.safetensors beside a description: nothing is pickled.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lkm_tune.graphs import batch_from_arrays
from lkm_tune.training.trained import TrainedModel

OWN_MODEL = "LKM_TUNE_OWN_MODEL"
"""The environment variable that names the network of a user's own whose code may be imported."""


class ServedModel:
    """Predicts a table of molecules."""

    def __init__(self, model: TrainedModel) -> None:
        """Serves this model."""
        self._model = model

    def predict(
        self, table: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> NDArray[np.float64]:
        """Predicts the task for every row.

        Args:
            table: a pandas table with the columns `z` (atomic numbers, n of them) and `pos`
                (positions in Å, n × 3).
            params: nothing is asked of it; MLflow may pass it.

        Returns:
            [rows] values in the task's unit, [rows, P] of a task with several targets.
        """
        z = [np.asarray(numbers, dtype=np.int64) for numbers in table["z"]]
        pos = [np.stack([np.asarray(row, np.float32) for row in rows]) for rows in table["pos"]]
        index = np.repeat(np.arange(len(z)), [len(numbers) for numbers in z])
        cutoff = self._model.network.cutoff
        batch = batch_from_arrays(np.concatenate(z), np.concatenate(pos), index, cutoff=cutoff)
        values = self._model.predict(batch)
        return values[:, 0] if values.shape[1] == 1 else values


def _load_pyfunc(path: str) -> ServedModel:
    """What MLflow calls: `path` is the model.safetensors."""
    return ServedModel(TrainedModel.load(Path(path), os.environ.get(OWN_MODEL)))
