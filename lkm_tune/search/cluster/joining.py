"""Joins or starts the Ray of a study."""

import logging
import os
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ActorDiedError, GetTimeoutError

from lkm_tune.cache import settle_folders
from lkm_tune.package import PACKAGE
from lkm_tune.search.cluster.auth import MODE, close_doors, short_folder

PROBE_SECONDS = 30.0
"""Longest wait for the first actor."""


def connect(address: str | None) -> None:
    """Joins the Ray at `address`, or starts Ray on this machine until this process ends.

    On a cluster, this process's package goes with it to every node. So a study does not depend on
    the packages of the nodes, which another user may replace.

    Raises:
        ConnectionError: if no Ray answers at `address`, or it ends the actors of this process.
        ValueError: if others can read its token, or there is no folder for Ray's sockets.
    """
    settle_folders(Path.cwd())
    close_doors(address)
    # The ledger keeps the error of a broken attempt; the report shows it if the trial is given up.
    logging.getLogger("ray.tune.execution.tune_controller").setLevel(logging.CRITICAL)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        ray.init(address=address, runtime_env={"py_modules": [str(PACKAGE)]}, **quiet)
        if os.environ.get(MODE) == "token":
            _check_actors(address)
        return
    # Without RAY_AUTH_MODE, a new Ray asks for a token, as wanted (since Ray 2.59). The mode cannot
    # be set here: Ray reads it at its import.
    ray.init(address="local", include_dashboard=False, _temp_dir=short_folder(), **quiet)


def _check_actors(address: str) -> None:
    """Starts an actor: trials are actors.

    A process with a token can join a Ray that asks for none and run tasks there, but Ray cannot ask
    the process whether it still needs an actor, and ends every actor before it starts.
    """
    actor: Any = ray.remote(num_cpus=0)(_Probe)
    try:
        ray.get(actor.remote().answer.remote(), timeout=PROBE_SECONDS)
    except ActorDiedError as error:
        ray.shutdown()
        raise ConnectionError(
            f"the Ray at {address} ends every actor of this process before its start. This process "
            "has a token, and the Ray seems to ask for none: set RAY_AUTH_MODE=disabled to join it "
            "without a token, or start it with RAY_AUTH_MODE=token"
        ) from error
    except GetTimeoutError:
        # A crowded cluster: trials wait, too.
        return


class _Probe:
    def answer(self) -> bool:
        return True
