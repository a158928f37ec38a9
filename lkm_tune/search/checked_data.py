"""Opens the data of a study before any trial starts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lkm_tune.datasets import MoleculeData, Origin
from lkm_tune.datasets.task_samples import TaskData
from lkm_tune.study import RunConfig, Study, TrialSpec
from lkm_tune.training import open_run


@dataclass(frozen=True)
class NeededData:
    """The data of a cell, as its trials open them on every node.

    Attributes:
        run: a run of the cell.
        origin: the data file, as the driver sees it.
        cache: the folder of prepared data; None for the default of the node.
    """

    run: RunConfig
    origin: Origin
    cache: Path | None

    def open(self) -> TaskData:
        """Opens the data, and prepares them if necessary.

        Raises:
            ValueError: if the data are missing, damaged, or too few for the study.
            OSError: if a file cannot be read or written.
        """
        data = open_run(self.run, self.cache, self.origin).data
        if isinstance(data, MoleculeData):
            # The files of a store are mapped into memory, so a disk fails at the first access.
            data.batch(data.split.train[:1])
        return data


def check_data(
    study: Study, cache: Path | None = None
) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Opens the data of every cell in the way of its trials, and prepares them if necessary.

    Returns:
        The digest of each task's data file, and remarks on molecules that were left out, changed or
        not checked, one sentence each.

    Raises:
        ValueError: if the data are missing, damaged, or too few for the study.
    """
    digests: dict[str, str] = {}
    notes: dict[str, tuple[str, ...]] = {}
    for task, run in _runs(study):
        data = NeededData(run, Origin(Path.cwd()), cache).open()
        digests[task] = data.digest
        notes[task] = data.store.remarks if isinstance(data, MoleculeData) else ()
    return digests, notes


def needed_data(
    study: Study, seen_from: Path, digests: dict[str, str], cache: Path | None
) -> list[NeededData]:
    """One need for each task of a study.

    Args:
        study: the study.
        seen_from: the folder where relative paths of data start.
        digests: task -> the digest of its data file.
        cache: the folder of prepared data; None for the default of the node.
    """
    runs = dict(reversed(list(_runs(study))))
    return [
        NeededData(run, Origin(seen_from, digests.get(task)), cache) for task, run in runs.items()
    ]


def _runs(study: Study) -> Iterator[tuple[str, RunConfig]]:
    """The task and a run of every cell."""
    for cell in study.cells:
        spec = TrialSpec(study.name, cell, "curve", 0, {"gamma": 0.0}, study.seed, 1)
        yield cell.task, study.run_config(spec)
