"""Finding a trained model and reading molecules to use it on."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lkm_tune.tracking import tracking_uri
from lkm_tune.tracking.reader import trial_of_run


def find_model(name: str, storage: Path) -> Path:
    """The file of a model given as a path, a trial's name, or the id of an MLflow run.

    Raises:
        FileNotFoundError: if it is none of these.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir() and (path / "model.safetensors").is_file():
        return path / "model.safetensors"
    trial = name if "/" in name else trial_of_run(tracking_uri(storage), name)
    found = sorted(storage.glob(f"studies/*/trials/{trial}/model.safetensors")) if trial else []
    if len(found) != 1:
        raise FileNotFoundError(
            f"{name} must be a model.safetensors, or the name of a complete trial or MLflow run "
            f"in {storage}, but {len(found)} models were found"
        )
    return found[0]


def read_molecules(path: Path) -> list[tuple[str, NDArray[np.int64], NDArray[np.float64]]]:
    """Names, atomic numbers and positions (Å) of all molecules of a file that ASE reads.

    Raises:
        ValueError: if ASE cannot read it, or a molecule is empty or periodic.
    """
    from ase.io import read
    from ase.io.formats import UnknownFileTypeError

    try:
        frames: Any = read(path, index=":")
    except (UnknownFileTypeError, ValueError, IndexError, KeyError, StopIteration) as error:
        raise ValueError(f"{path} cannot be read as molecules: {error}") from error
    for number, frame in enumerate(frames, start=1):
        if len(frame) == 0 or frame.pbc.any():
            what = "has no atoms" if len(frame) == 0 else "is periodic"
            raise ValueError(f"{path}: molecule {number} {what}; a model takes single molecules")
    return [
        (str(frame.info.get("name", f"{number} {frame.get_chemical_formula()}")),
         frame.numbers.astype(np.int64), frame.positions)
        for number, frame in enumerate(frames, start=1)
    ]  # fmt: skip
