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

from lkm_tune.tracking.versions import requirements

LOADER = "lkm_tune.training.served"
"""The module that loads and predicts; named only, since training is no concern of this room."""


@contextmanager
def mlflow_model(file: Path, output: str) -> Iterator[Path]:
    """A folder with the MLflow model around a model.safetensors, while the block runs.

    Args:
        file: the trained network.
        output: what it predicts, with its unit.

    Raises:
        FileNotFoundError: the file is not there.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no model {file}")
    inputs = Schema([
        ColSpec(Array(DataType.long), "z"),
        ColSpec(Array(Array(DataType.double)), "pos"),
    ])  # fmt: skip
    signature = ModelSignature(inputs, Schema([ColSpec(DataType.double, output)]))
    description = Model(signature=signature)
    # Not `pyfunc.save_model`, which loads the network again to guess what is known here.
    pyfunc.add_to_model(description, loader_module=LOADER, data=file.name)
    with TemporaryDirectory(prefix="lkm-model-") as folder:
        path = Path(folder)
        shutil.copy(file, path / file.name)
        (path / "requirements.txt").write_text("\n".join(requirements()) + "\n")
        description.save(str(path / "MLmodel"))
        yield path
