"""A trained network as one file that runs no code when it is opened, and its use."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from lkm_tune.datasets import MoleculeData, Normaliser, Task, find_task
from lkm_tune.datasets.elements import symbols_of
from lkm_tune.graphs import MoleculeBatch
from lkm_tune.models import (
    MoleculeModel,
    build_model,
    energy_and_forces,
    is_own,
    load_weights,
)
from lkm_tune.study import RunConfig
from lkm_tune.training.own_network import run_once
from lkm_tune.training.run import TrainingRun
from lkm_tune.training.store import Folder
from lkm_tune.training.weights import KEY, read_trusted


def model_file(run: TrainingRun) -> bytes:
    """The averaged weights of `run` with what using them needs: config and scale.

    In the safetensors format, with the config as JSON in its header.
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
    # Copies: the format has no place for parameters that a network shares between two names.
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
    """A network with the scale of what it predicts.

    Attributes:
        config: the run that trained it.
        network: in evaluation mode.
        normaliser: from the network's output to the targets' units.
        elements: atomic numbers that it was trained on; None where the file does not say, as
            files of earlier versions do not.
    """

    config: RunConfig
    network: MoleculeModel
    normaliser: Normaliser
    elements: tuple[int, ...] | None = None

    @classmethod
    def load(cls, path: Path, own_model: str | None = None) -> "TrainedModel":
        """Reads a file that `save_model` wrote.

        Args:
            path: the file.
            own_model: the name of a user's own model whose code may be imported. Without it no
                code that a file names is run.

        Raises:
            ValueError: if it is not such a file, one of an own model that is not `own_model`, or
                one of a network that classifies the nodes of the graph that it was trained on.
        """
        weights, header, config = read_trusted(path, own_model)
        if header["normaliser"] is None:
            raise ValueError(
                f"{path} classifies the nodes of {config.task}; molecules cannot be predicted"
            )
        network = build_model(config.model, **header["settings"])
        # Files of before 0.2 do not say them, and have no parameters that a forward pass makes.
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
        """What it predicts."""
        return find_task(self.config.task, self.config.data)

    @torch.no_grad()
    def predict(self, batch: MoleculeBatch) -> NDArray[np.float64]:
        """Predicts the targets of every molecule.

        Args:
            batch: with the network's cutoff.

        Returns:
            [G, P] values in the targets' units; energies are totals, their free atoms included.

        Raises:
            ValueError: if an element is one that the network or the scale does not know.
        """
        self.check_elements(batch.z.numpy())
        values = self.normaliser.to_unit(self.network(batch).prediction.double().numpy())
        return values + self._atoms(batch)

    def check_elements(self, z: NDArray[np.int64]) -> None:
        """Checks that the training part had every element.

        Args:
            z: [N] atomic numbers.

        Raises:
            ValueError: names those that it had not.
        """
        if self.elements is None:
            return
        unknown = set(z.tolist()) - set(self.elements)
        if unknown:
            raise ValueError(
                f"the network was trained on molecules of {symbols_of(self.elements)} and knows "
                f"nothing of {symbols_of(unknown)}"
            )

    def predict_forces(
        self, batch: MoleculeBatch
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predicts energies, as `predict`, and forces.

        Returns:
            [G, 1] energies, and forces [N, 3] in the target's unit per Å.

        Raises:
            ValueError: as `predict`, and for a network that is no energy of positions.
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
