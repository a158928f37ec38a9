"""A trained network as one file that runs no code when it is opened, and its use."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from lkm_tune.datasets import Normaliser, Task, find_task
from lkm_tune.graphs import batch_from_arrays
from lkm_tune.models import MoleculeModel, build_model, is_own, load_weights
from lkm_tune.study import RunConfig
from lkm_tune.training.run import TrainingRun
from lkm_tune.training.weights import KEY, read_own


def save_model(run: TrainingRun, path: Path) -> None:
    """Writes the averaged weights of `run` with what using them needs: config and scale.

    The file is in the safetensors format, with the config as JSON in its header.
    """
    header = {"config": run.config.to_dict(), "normaliser": asdict(run.data.normaliser)}
    # Copies: the format has no place for parameters that a network shares between two names.
    weights = {
        name: w.clone(memory_format=torch.contiguous_format)
        for name, w in run.averaged.network.state_dict().items()
    }
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
    def load(cls, path: Path, own_model: str | None = None) -> "TrainedModel":
        """Reads a file that `save_model` wrote.

        Args:
            path: the file.
            own_model: the name of a user's own model whose code may be imported. Without it no
                code that a file names is run.

        Raises:
            ValueError: if it is not such a file, or one of an own model that is not `own_model`.
        """
        weights, header = read_own(path)
        config = RunConfig.from_dict(header["config"])
        if is_own(config.model) and config.model != own_model:
            raise ValueError(
                f"{path} is of the network {config.model}, whose code would be run: say so with "
                f"--own-model {config.model} if you trust it"
            )
        network = build_model(config.model, **config.model_settings)
        load_weights(network, config.model, weights)
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
