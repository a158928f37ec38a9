"""The best network of a cell as an MLflow model: described, with a signature, nothing pickled."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array

from lkm_tune.versions import requirements

NUMBERS, VALUES = Array(DataType.long), Array(DataType.double)

INPUTS = {
    "atoms": (ColSpec(NUMBERS, "z"), ColSpec(Array(VALUES), "pos")),
    "smiles": (ColSpec(DataType.string, "smiles"),),
    "nodes": (ColSpec(Array(VALUES), "features"), ColSpec(Array(NUMBERS), "edge_index")),
}
"""The columns that a network is given, by what it sees of a molecule or graph."""

LOADER = "lkm_tune.training.served"
"""The module that loads and predicts; named only, since training is no concern of this room."""


@contextmanager
def mlflow_model(file: Path, inputs: str, output: str) -> Iterator[Path]:
    """A folder with the MLflow model around a model.safetensors, while the block runs.

    Args:
        file: the trained network.
        inputs: what it is given, a key of `INPUTS`.
        output: what it predicts, with its unit.

    Raises:
        FileNotFoundError: the file is not there.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no model {file}")
    said = NUMBERS if inputs == "nodes" else DataType.double
    signature = ModelSignature(Schema([*INPUTS[inputs]]), Schema([ColSpec(said, output)]))
    description = Model(signature=signature)
    # Not `pyfunc.save_model`, which loads the network again to guess what is known here.
    pyfunc.add_to_model(description, loader_module=LOADER, data=file.name)
    with TemporaryDirectory(prefix="lkm-model-") as folder:
        path = Path(folder)
        shutil.copy(file, path / file.name)
        (path / "requirements.txt").write_text("\n".join(requirements()) + "\n", encoding="utf-8")
        description.save(str(path / "MLmodel"))
        yield path
