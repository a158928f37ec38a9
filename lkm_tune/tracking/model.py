"""The best network of a cell as an MLflow model with a signature and without pickles."""

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
"""Kind of input -> the input columns of a network."""

LOADER = "lkm_tune.training.served"
"""The module that loads and predicts; only its name, since tracking does not import training."""


@contextmanager
def mlflow_model(file: Path, inputs: str, output: str) -> Iterator[Path]:
    """A context with a temporary folder of the MLflow model around a model.safetensors.

    Args:
        file: the trained network.
        inputs: the kind of input, a key of `INPUTS`.
        output: the predicted property with its unit.

    Raises:
        FileNotFoundError: if the file is missing.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no model {file}")
    said = NUMBERS if inputs == "nodes" else DataType.double
    signature = ModelSignature(Schema([*INPUTS[inputs]]), Schema([ColSpec(said, output)]))
    description = Model(signature=signature)
    # `pyfunc.save_model` would load the network again to guess the known signature.
    pyfunc.add_to_model(description, loader_module=LOADER, data=file.name)
    with TemporaryDirectory(prefix="lkm-model-") as folder:
        path = Path(folder)
        shutil.copy(file, path / file.name)
        (path / "requirements.txt").write_text("\n".join(requirements()) + "\n", encoding="utf-8")
        description.save(str(path / "MLmodel"))
        yield path
