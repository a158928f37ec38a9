"""Training one network: the epoch loop, its state on disk, and the trained network."""

from lkm_tune.training.checkpoint import CheckpointError, Checkpoints
from lkm_tune.training.network import OpenedRun, check_learnable, open_run
from lkm_tune.training.result import EpochResult, Outcome, RunResult
from lkm_tune.training.run import TrainingRun
from lkm_tune.training.store import Store, open_store
from lkm_tune.training.trained import TrainedModel, model_file, save_model
from lkm_tune.training.weights import Weights, read_weights

__all__ = [
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
    "model_file",
    "open_run",
    "open_store",
    "read_weights",
    "save_model",
]
