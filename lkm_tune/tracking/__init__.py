"""Tracking: a mirror of a study in MLflow, and an importer from MLflow.

Only the modules that write and read import MLflow, so that this package imports quickly.
"""

import logging
import os
import warnings

from lkm_tune.tracking.recorder import StudyRecorder
from lkm_tune.tracking.storage import tracking_uri, ui_command

__all__ = ["StudyRecorder", "tracking_uri", "ui_command"]

# MLflow reads these variables at its import in a background thread, so they are set here. Values of
# a user stay. The delivery has its own retries; MLflow's 7 slow retries would hide for minutes that
# a server is down.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
# MLflow warns about one of its own classes.
warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
# MLflow logs a failed write with a trace and raises the error, of which the delivery tells. MLflow
# sets the levels of its loggers at its import; a filter stays.
logging.getLogger("mlflow.store.db.utils").addFilter(lambda record: False)
