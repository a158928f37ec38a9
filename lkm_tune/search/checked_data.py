"""Opens the data of a study before any trial starts."""

from pathlib import Path

from lkm_tune.datasets import MoleculeData, Origin
from lkm_tune.study import Study, TrialSpec
from lkm_tune.training import open_run


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
    here = Origin(Path.cwd())
    for cell in study.cells:
        spec = TrialSpec(study.name, cell, "curve", 0, {"gamma": 0.0}, study.seed, 1)
        data = open_run(study.run_config(spec), cache, here).data
        digests[cell.task] = data.digest
        notes[cell.task] = data.store.remarks if isinstance(data, MoleculeData) else ()
    return digests, notes
