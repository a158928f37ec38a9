"""A trained network for MLflow: `mlflow.pyfunc.load_model` loads this module by its name.

The MLflow model is a model.safetensors with a description, without pickles.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lkm_tune.datasets import build_store
from lkm_tune.datasets.molecules import single_precision
from lkm_tune.datasets.smiles import parse_smiles
from lkm_tune.graphs import MoleculeBatch, batch_from_arrays
from lkm_tune.models import load_weights
from lkm_tune.training.network import build_network
from lkm_tune.training.trained import TrainedModel
from lkm_tune.training.weights import read_trusted

OWN_MODEL = "LKM_TUNE_OWN_MODEL"
"""The environment variable that names a user's network whose code may be imported."""


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
            table: a pandas table with the columns of the signature: `smiles`, or `z` (n atomic
                numbers) and `pos` (positions in Å, n × 3).
            params: ignored; MLflow may pass it.

        Returns:
            [rows] values in the task's unit, [rows, P] of a task with several targets.

        Raises:
            ValueError: if a SMILES is invalid, or the network does not know an element.
        """
        values = self._model.predict(self._batch(table))
        return values[:, 0] if values.shape[1] == 1 else values

    def _batch(self, table: pd.DataFrame) -> MoleculeBatch:
        cutoff = self._model.network.cutoff
        if "smiles" in table:
            molecules = parse_smiles(table["smiles"].tolist())
            return build_store(molecules, cutoff).batch(np.arange(len(table)))
        z = [np.asarray(numbers, dtype=np.int64) for numbers in table["z"]]
        pos = [np.stack([np.asarray(row, np.float64) for row in rows]) for rows in table["pos"]]
        n_atoms = np.array([len(numbers) for numbers in z])
        index = np.repeat(np.arange(len(z)), n_atoms)
        placed = single_precision(np.concatenate(pos), n_atoms)
        return batch_from_arrays(np.concatenate(z), placed, index, cutoff=cutoff)


class ServedClassifier:
    """Classifies the nodes of graphs."""

    def __init__(self, network: torch.nn.Module) -> None:
        """Serves this network."""
        self._network = network

    @torch.no_grad()
    def predict(self, table: pd.DataFrame, params: dict[str, Any] | None = None) -> list[list[int]]:
        """Predicts the class of every node.

        Args:
            table: a pandas table whose rows are graphs, with the columns `features` (N × F, each
                row of which sums to 1) and `edge_index` (2 × E, both directions of each edge).
            params: ignored; MLflow may pass it.

        Returns:
            The classes of the N nodes of every graph.
        """
        classes = []
        for features, edges in zip(table["features"], table["edge_index"], strict=True):
            x = torch.from_numpy(np.stack([np.asarray(row, np.float32) for row in features]))
            edge_index = torch.from_numpy(np.stack([np.asarray(row, np.int64) for row in edges]))
            classes.append(self._network(x, edge_index).prediction.argmax(dim=1).tolist())
        return classes


def _load_pyfunc(path: str) -> ServedModel | ServedClassifier:
    """The entry point of MLflow; `path` is the model.safetensors."""
    own_model = os.environ.get(OWN_MODEL)
    weights, header, config = read_trusted(Path(path), own_model)
    if header["normaliser"] is not None:
        return ServedModel(TrainedModel.load(Path(path), own_model))
    network = build_network(config.model, header["settings"])
    load_weights(network, config.model, weights)
    return ServedClassifier(network.eval())
