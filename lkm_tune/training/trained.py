"""A trained network as one file that runs no code when it is opened, and its use."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lkm_tune.datasets import Normaliser, Task, find_task
from lkm_tune.graphs import batch_from_arrays
from lkm_tune.models import MoleculeModel, build_model
from lkm_tune.study import RunConfig
from lkm_tune.training.run import TrainingRun

KEY = "lkm_tune"


def save_model(run: TrainingRun, path: Path) -> None:
    """Writes the averaged weights of `run` with what using them needs: config and scale.

    The file is in the safetensors format, with the config as JSON in its header.
    """
    header = {"config": run.config.to_dict(), "normaliser": asdict(run.data.normaliser)}
    weights = {name: w.contiguous() for name, w in run.averaged.network.state_dict().items()}
    part = path.with_suffix(".part")
    save_file(weights, part, metadata={KEY: json.dumps(header)})
    part.replace(path)


@dataclass(frozen=True)
class TrainedModel:
    """A network with the scale of what it predicts.

    Attributes:
        config: the run that trained it.
        network: in evaluation mode.
        normaliser: from the network's output to the task's unit.
    """

    config: RunConfig
    network: MoleculeModel
    normaliser: Normaliser

    @classmethod
    def load(cls, path: Path) -> "TrainedModel":
        """Reads a file that `save_model` wrote.

        Raises:
            ValueError: if it is not such a file.
        """
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {})[KEY])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(
                f"{path} must be a model.safetensors of lkm-tune, but it is not: {error}"
            ) from error
        config = RunConfig.from_dict(header["config"])
        network = build_model(config.model, **config.model_settings)
        network.load_state_dict(weights)
        return cls(config, network.eval(), Normaliser(**header["normaliser"]))

    @property
    def task(self) -> Task:
        """What it predicts."""
        return find_task(self.config.task)

    @torch.no_grad()
    def predict(
        self, molecules: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]
    ) -> NDArray[np.float64]:
        """Predicts the task for every molecule.

        Args:
            molecules: pairs (z [n], positions [n, 3] in Å).

        Returns:
            [M] values in the task's unit; energies are totals, their free atoms included.

        Raises:
            ValueError: if an element is one that the network was not built for.
        """
        values = np.empty(len(molecules))
        size = self.config.training.eval_batch_size
        for begin in range(0, len(molecules), size):
            chunk = molecules[begin : begin + size]
            z = np.concatenate([z for z, _ in chunk])
            index = np.repeat(np.arange(len(chunk)), [len(z) for z, _ in chunk])
            pos = np.concatenate([pos for _, pos in chunk]).astype(np.float32)
            batch = batch_from_arrays(z, pos, index, cutoff=self.network.cutoff)
            output = self.network(batch).prediction[:, 0].double().numpy()
            values[begin : begin + size] = self.normaliser.to_unit(output)
        return values + [self._free_atoms(z) for z, _ in molecules]

    def _free_atoms(self, z: NDArray[np.int64]) -> float:
        energies = dict(self.task.references)
        if not energies:
            return 0.0
        unknown = sorted(set(z.tolist()) - set(energies))
        if unknown:
            raise ValueError(
                f"{self.task.name} knows the energies of free atoms {sorted(energies)}, but got "
                f"atomic numbers {unknown}"
            )
        return sum(energies[int(element)] for element in z) * self.task.factor
