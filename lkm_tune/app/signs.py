"""Signs of trouble with γ in the curve runs of a study; the driver stores them for `status`."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from lkm_tune.files import read_json, write_text
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.package import package_digest
from lkm_tune.study import Study


def signs_of(study: Study, folder: StudyFolder) -> tuple[str, ...]:
    """The signs in the ended curve runs, in sentences; none before the first run.

    The stored signs count if neither the ledger nor lkm-tune has changed since the driver stored
    them.
    """
    # Damaged signs are found again.
    with suppress(FileNotFoundError, ValueError):
        of, signs = read_json(folder.signs, lambda kept: (kept["of"], tuple(kept["signs"])))
        if of == _of(study, folder):
            return signs
    return _found(study, folder)


def keep_signs(study: Study, folder: StudyFolder, signs: Sequence[str] | None = None) -> None:
    """Writes the signs into the folder of a study at the end of its driver.

    Args:
        study: the study.
        folder: its folder.
        signs: the signs of its report, which leaves out what its answers tell; None without one.
    """
    kept = {"of": _of(study, folder), "signs": _found(study, folder) if signs is None else signs}
    write_text(folder.signs, json.dumps(kept, ensure_ascii=False))


def _of(study: Study, folder: StudyFolder) -> dict[str, Any]:
    """The state of the study that determines the signs."""
    return {
        "package": package_digest(),
        "margin": study.report.margin,
        "ledger": folder.ledger.stat().st_size if folder.ledger.exists() else 0,
    }


def _found(study: Study, folder: StudyFolder) -> tuple[str, ...]:
    from lkm_tune.ledger.run_table import ended, study_runs
    from lkm_tune.transfer.fit.cells import cell_names
    from lkm_tune.transfer.fit.run_table import RunTableError, check_runs
    from lkm_tune.transfer.fit.trouble import study_signs
    from lkm_tune.transfer.report.remarks import once

    try:
        checked = check_runs(ended(study_runs(folder)))
    except RunTableError:
        return ()
    names = list(cell_names(checked).values())
    return tuple(once(names, study_signs(checked, study.report.margin)))
