"""Joins or starts the Ray of a study."""

import logging
from pathlib import Path
from typing import Any

import ray

from lkm_tune.cache import settle_folders
from lkm_tune.package import PACKAGE
from lkm_tune.search.cluster.auth import close_doors, short_folder


def connect(address: str | None) -> None:
    """Joins the Ray at `address`, or starts Ray on this machine until this process ends.

    On a cluster, this process's package goes with it to every node. So a study does not depend on
    the packages of the nodes, which another user may replace.

    Raises:
        ConnectionError: if no Ray answers at `address`.
        ValueError: if others can read its token, or there is no folder for Ray's sockets.
    """
    settle_folders(Path.cwd())
    close_doors(address)
    # The ledger keeps the error of a broken attempt; the report shows it if the trial is given up.
    logging.getLogger("ray.tune.execution.tune_controller").setLevel(logging.CRITICAL)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        ray.init(address=address, runtime_env={"py_modules": [str(PACKAGE)]}, **quiet)
        return
    # Without RAY_AUTH_MODE, a new Ray asks for a token, as wanted (since Ray 2.59). The mode cannot
    # be set here: Ray reads it at its import.
    ray.init(address="local", include_dashboard=False, _temp_dir=short_folder(), **quiet)
