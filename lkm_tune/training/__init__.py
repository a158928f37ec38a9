"""Training one network: the epoch loop, its state on disk, and the trained network."""

from typing import TYPE_CHECKING

from lkm_tune.lazy import lazy_imports

if TYPE_CHECKING:
    from lkm_tune.training.array_run import ArrayError, ArrayRun, train_all
    from lkm_tune.training.checkpoint import CheckpointError, Checkpoints
    from lkm_tune.training.file_store import Store, open_store
    from lkm_tune.training.learnable import check_learnable, check_settings
    from lkm_tune.training.network import OpenedRun, open_run
    from lkm_tune.training.run_result import EpochResult, Outcome, RunResult
    from lkm_tune.training.trained import TrainedModel, model_file, save_model
    from lkm_tune.training.training_run import TrainingRun
    from lkm_tune.training.weights import Weights, read_weights

__all__ = [
    "ArrayError",
    "ArrayRun",
    "CheckpointError",
    "Checkpoints",
    "EpochResult",
    "OpenedRun",
    "Outcome",
    "RunResult",
    "Store",
    "TrainedModel",
    "TrainingRun",
    "Weights",
    "check_learnable",
    "check_settings",
    "model_file",
    "open_run",
    "open_store",
    "read_weights",
    "save_model",
    "train_all",
]

__getattr__ = lazy_imports(__file__)
