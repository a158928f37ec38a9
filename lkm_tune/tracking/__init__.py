"""Tracking: what a study did, written to MLflow and read back as a tidy table.

MLflow itself is imported only by the modules that write (`writer`) and read (`reader`), so that
importing this package stays quick. Ray is imported only by `callback`.
"""

import os
import warnings

from lkm_tune.tracking.recorder import StudyRecorder
from lkm_tune.tracking.storage import tracking_uri, ui_command

__all__ = ["StudyRecorder", "tracking_uri", "ui_command"]

# MLflow reads these when it is imported, which happens in a background thread: they have to be
# set before. What a user has set stays. Our own delivery retries, so that MLflow's 7 slow
# retries would only hide for minutes that a server is down.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
# MLflow says this about a class of its own.
warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
