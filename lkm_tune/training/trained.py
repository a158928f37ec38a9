"""A trained network as one file that runs no code when read, and predictions with it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from lkm_tune.datasets import MoleculeData, Normaliser, Task, find_task
from lkm_tune.elements import symbols_of
from lkm_tune.graphs import MoleculeBatch
from lkm_tune.models import (
    MoleculeModel,
    build_model,
    energy_and_forces,
    is_own,
    load_weights,
)
from lkm_tune.study import RunConfig
from lkm_tune.training.file_store import Folder
from lkm_tune.training.own_network import run_once
from lkm_tune.training.training_run import TrainingRun
from lkm_tune.training.weights import KEY, read_trusted


def model_file(run: TrainingRun) -> bytes:
    """The averaged weights, config and scale of `run`, in the safetensors format.

    The header has the config as JSON.
    """
    molecules = run.data if isinstance(run.data, MoleculeData) else None
    header = {
        "config": run.config.to_dict(),
        "settings": dict(run.settings),
        "normaliser": molecules.normaliser.to_dict() if molecules else None,
        "elements": molecules.elements if molecules else None,
        "trained_elements": molecules.trained_elements if molecules else None,
        "data": run.data.digest,
    }
    # Parameters are copied, because the format does not allow a parameter under two names.
    weights = {
        name: w.clone(memory_format=torch.contiguous_format)
        for name, w in run.averaged.network.state_dict().items()
    }
    return save(weights, metadata={KEY: json.dumps(header)})


def save_model(run: TrainingRun, path: Path) -> None:
    """Writes the `model_file` of `run`."""
    Folder(path.parent).write(path.name, model_file(run))


@dataclass(frozen=True)
class TrainedModel:
    """A network with the scale of its predictions.

    Attributes:
        config: the run that trained it.
        network: the network in evaluation mode.
        normaliser: maps the network's output to the targets' units.
        elements: atomic numbers of its training molecules; None for files of earlier versions.
    """

    config: RunConfig
    network: MoleculeModel
    normaliser: Normaliser
    elements: tuple[int, ...] | None = None

    @classmethod
    def load(cls, path: Path, own_model: str | None = None) -> "TrainedModel":
        """Reads a file of `save_model`.

        Args:
            path: the file.
            own_model: the name of a user's model whose code may be imported. None: no code of a
                user's model runs.

        Raises:
            ValueError: if the file is invalid, or holds a network that classifies nodes or a user's
                model other than `own_model`.
        """
        weights, header, config = read_trusted(path, own_model)
        if header["normaliser"] is None:
            raise ValueError(
                f"{path} classifies the nodes of {config.task}; molecules cannot be predicted"
            )
        network = build_model(config.model, **header["settings"])
        # Files before 0.2 have no elements, and no parameters from a first forward pass.
        if is_own(config.model) and header.get("elements"):
            run_once(network, config.model, header["elements"])
        load_weights(network, config.model, weights)
        elements = header.get("trained_elements")
        return cls(
            config,
            network.eval(),
            Normaliser.from_dict(header["normaliser"]),
            None if elements is None else tuple(elements),
        )

    @property
    def task(self) -> Task:
        """The task of the network."""
        return find_task(self.config.task, self.config.data)

    @torch.no_grad()
    def predict(self, batch: MoleculeBatch) -> NDArray[np.float64]:
        """Predicts the targets of every molecule.

        Args:
            batch: molecules with the network's cutoff.

        Returns:
            [G, P] values in the targets' units; energies are totals, including free atoms.

        Raises:
            ValueError: if the network or the scale does not know an element.
        """
        self.check_elements(batch.z.numpy())
        values = self.normaliser.to_unit(self.network(batch).prediction.double().numpy())
        return values + self._atoms(batch)

    def check_elements(self, z: NDArray[np.int64]) -> None:
        """Checks that the training molecules had every element.

        Args:
            z: [N] atomic numbers.

        Raises:
            ValueError: if the training molecules lacked an element; the error names the element.
        """
        if self.elements is None:
            return
        unknown = set(z.tolist()) - set(self.elements)
        if unknown:
            raise ValueError(
                f"the network was trained on molecules of {symbols_of(self.elements)} and does "
                f"not know {symbols_of(unknown)}"
            )

    def predict_forces(
        self, batch: MoleculeBatch
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predicts energies, as `predict`, and forces.

        Returns:
            [G, 1] energies, and forces [N, 3] in the target's unit per Å.

        Raises:
            ValueError: as `predict`, and for a network without an energy that depends on positions.
        """
        self.check_elements(batch.z.numpy())
        output, forces = energy_and_forces(self.network, batch)
        values = self.normaliser.to_unit(output.prediction.detach().double().numpy())
        on_unit = forces.double().numpy() * self.normaliser.units_per_step[0]
        return values + self._atoms(batch), on_unit

    def _atoms(self, batch: MoleculeBatch) -> NDArray[np.float64]:
        """[G, P] sums of the free atoms' energies in the targets' units."""
        z, index = batch.z.numpy(), batch.graph_index.numpy()
        molecules = [z[index == graph] for graph in range(batch.n_graphs)]
        return np.array(
            [
                [scale.atoms(atoms) * scale.factor for scale in self.normaliser.scales]
                for atoms in molecules
            ]
        )
