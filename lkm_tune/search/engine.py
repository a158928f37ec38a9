"""Running a study on Ray: one Tune experiment, begun anew from the ledger every time."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray import tune

from lkm_tune.datasets import content_digest
from lkm_tune.search.folder import StudyFolder
from lkm_tune.search.ledger import Ledger, Record
from lkm_tune.search.planner import Planner
from lkm_tune.search.searcher import CellScheduler, StudySearcher
from lkm_tune.search.slots import trial_slots
from lkm_tune.search.trainable import LkmTrainable
from lkm_tune.study import Study, TrialSpec
from lkm_tune.training import open_run

# A trial that breaks is tried this often in all before it is recorded as failed.
ATTEMPTS = 3


@dataclass(frozen=True)
class Ending:
    """How a run of a study ended.

    Attributes:
        finished: whether everything that was planned has ended.
        limit_reached: whether a limit of the study ended it before.
        failed: the trials that failed.
        without_curve: cells of which no search trial was complete, in words.
    """

    finished: bool
    limit_reached: bool
    failed: tuple[Record, ...]
    without_curve: tuple[str, ...]


def connect(address: str | None) -> None:
    """Joins the Ray at `address`, or starts one on this machine that ends with this process.

    Raises:
        ConnectionError: if no Ray answers at `address`.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        ray.init(address=address, **quiet)
        return
    # Without RAY_AUTH_MODE Ray asks for a token on what it starts itself, which is what we want.
    # The mode cannot be set here: Ray reads it when it is imported.
    ray.init(address="local", include_dashboard=False, **quiet)


def check_data(study: Study, cache: Path | None = None) -> dict[str, str]:
    """Opens the data of every cell as its trials will, and prepares them where they are not yet.

    Returns:
        The digest of the file that each task is read from.

    Raises:
        ValueError: if they are missing, damaged, or fewer than the study asks for.
    """
    sources = {}
    for cell in study.cells:
        spec = TrialSpec(study.name, cell, "curve", 0, {"gamma": 0.0}, study.seed, 1)
        sources[cell.task] = open_run(study.run_config(spec), cache).data.source
    digests = {source: content_digest(source) for source in set(sources.values())}
    return {task: digests[source] for task, source in sources.items()}


class Engine:
    """One study with its ledger, ready to run."""

    def __init__(self, study: Study, folder: StudyFolder, cache: Path | None = None) -> None:
        """Opens the ledger for writing: the caller holds the study's lock."""
        self.study = study
        self.folder = folder
        self.cache = cache
        self.ledger = Ledger(study, folder.ledger)
        self.planner = Planner(study, self.ledger)

    def run(self, callbacks: Sequence[Any] = ()) -> Ending:
        """Runs what is left of the study on the Ray that `connect` has joined.

        Args:
            callbacks: Tune callbacks that watch it.
        """
        searcher = StudySearcher(self.planner, self._config, self._after, self._slots)
        if not self.planner.finished:
            self._tune(searcher, callbacks)
        return Ending(
            finished=self.planner.finished,
            limit_reached=searcher.limit_reached,
            failed=tuple(r for r in self.ledger.all_records() if r.state == "failed"),
            without_curve=tuple(
                f"{cell} ({phase})" for cell, phase in self.planner.cells_without_curve
            ),
        )

    def _tune(self, searcher: StudySearcher, callbacks: Sequence[Any]) -> None:
        # The ledger is what a study continues from: Tune's own records are not kept.
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
        os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "1e9"
        # How many trials are out is the searcher's to say.
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = "1000"
        os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
        resources = self.study.resources
        with TemporaryDirectory(prefix="lkm-tune-") as scratch:
            tune.run(
                tune.with_resources(LkmTrainable, {"cpu": resources.cpu, "gpu": resources.gpu}),
                name=self.study.name,
                storage_path=scratch,
                search_alg=searcher,
                scheduler=CellScheduler(searcher),
                num_samples=-1,
                max_failures=ATTEMPTS - 1,
                reuse_actors=True,
                raise_on_failed_trial=False,
                callbacks=list(callbacks),
                verbose=0,
                log_to_file=False,
            )

    def _slots(self) -> int:
        return trial_slots(self.study.resources)

    def _config(self, spec: TrialSpec) -> dict[str, Any]:
        return {
            "trial": spec.to_dict(),
            "run": self.study.run_config(spec).to_dict(),
            "folder": str(self.folder.trial(spec).path),
            "cache": str(self.cache) if self.cache else None,
            "cpu": self.study.resources.cpu,
            "gpu": self.study.resources.gpu,
        }

    def _after(self, spec: TrialSpec) -> None:
        # What has ended is not continued; a complete trial keeps its model.
        self.folder.trial(spec).checkpoints.discard()
