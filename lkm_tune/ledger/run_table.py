"""The typed table of runs, from ledgers: one row for every trial and curve point."""

import gzip
import math
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lkm_tune.ledger.facts import StudyFacts
from lkm_tune.ledger.study_folder import StudyFolder, study_folders
from lkm_tune.ledger.trial_record import TrialRecord
from lkm_tune.ledger.trials import StudyTrials, without_gamma
from lkm_tune.study import Cell, Study, TrialSpec
from lkm_tune.study.comparable import gamma_scale, protocol

if TYPE_CHECKING:
    from pandas import DataFrame, Series

Row = dict[str, Any]

COLUMNS = {
    "study": "str",
    "model": "str",
    "task": "str",
    "depth": "Int64",
    "n_train": "int64",
    "gamma": "float64",
    "seed": "int64",
    "val_error": "float64",
    "test_error": "float64",
    "status": "str",
    "phase": "str",
    "trial": "str",
    "unit": "str",
    "lr": "float64",
    "kd_ratio": "float64",
    "val_mean_error": "float64",
    "test_mean_error": "float64",
    "best_epoch": "Int64",
    "n_parameters": "Int64",
    "seconds": "float64",
    "epochs": "Int64",
    "scale": "str",
    "device": "str",
    "reason": "str",
    "until": "str",
    "protocol": "str",
    "protocol_text": "str",
}
"""The columns of every table with their types, in order. Columns of searched settings follow."""

LAYERS = ("layer_cka", "layer_rank")
"""Further columns, if curve runs recorded them (`curve.diagnostics`)."""

REPRODUCIBLE = "reproducible"
"""A further column, false for runs on a GPU that another run need not repeat to the last digit."""

DIAGNOSTICS = "diagnostics_seconds"
"""A further column: the part of `seconds` that `curve.diagnostics` took."""

ARRAY = "array"
"""A further column: the numbers of the trials that trained as one program, its own included."""

ENDED = ("complete", "stopped", "diverged", "infeasible", "failed")
"""The final states of a run."""

_FROM_SUMMARY = (
    "test_error", "kd_ratio", "val_mean_error", "test_mean_error", "best_epoch", "n_parameters",
    "seconds",
)  # fmt: skip


def study_runs(
    folder: StudyFolder, superseded: bool = False, trials: StudyTrials | None = None
) -> "DataFrame":
    """The trials and curve points of one study, one row each.

    Args:
        folder: the folder of the study.
        superseded: whether to keep curve points at settings that are no longer the best of their
            cell, with the status `superseded`.
        trials: its trials, where they have been read already.

    Returns:
        A table with the columns of `COLUMNS` and one column for every searched setting, sorted by
        study, model, task and trial. Errors are in `unit`; `val_error` of a stopped trial is its
        best error so far. `kd_ratio` is the last γ·L_KD / L_pred. `status` is `running` or one of
        `ENDED`. `until` is "decided" where looks at the results choose which γ get more seeds, else
        "seeds". `protocol` is equal for comparable runs (`study.comparable`). Unknown numbers are
        missing.

    Raises:
        ValueError: if a file of the study's folder is damaged; the error names the file.
    """
    return table(rows_of(folder, superseded, trials))


def all_runs(storage: Path) -> "DataFrame":
    """The ended runs of all studies of a storage folder; see `study_runs`."""
    rows = [row for folder in study_folders(storage) for row in rows_of(folder)]
    return table([row for row in rows if row["status"] in ENDED])


def table(rows: Iterable[Row]) -> "DataFrame":
    """Rows of `RowMaker` as a table."""
    import pandas as pd

    rows = list(rows)
    extra = sorted({name for row in rows for name in row} - COLUMNS.keys())
    columns = {name: [row.get(name) for row in rows] for name in [*COLUMNS, *extra]}
    made = pd.DataFrame(columns, columns=[*COLUMNS, *extra]).astype(COLUMNS)
    order = ["study", "model", "task", "trial"]
    return made.sort_values(order, ignore_index=True)


def read_table(path: Path) -> "DataFrame":
    """A table of runs from a CSV file, as a report's `trials.csv`; `.gz` is unpacked.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if the file is no CSV file, commas do not separate its columns, or the name ends
            in `.gz` and the file is no whole gzip file.
    """
    import pandas as pd

    packed: Literal["gzip"] | None = "gzip" if path.suffix.lower() == ".gz" else None
    try:
        headings = list(pd.read_csv(path, nrows=0, compression=packed))
        other = next((sign for sign in ";\t|" if sign in "".join(map(str, headings))), "")
        if other and len(headings) == 1:
            raise ValueError(f"commas must separate its columns, but got {other!r}")
        # A digest may consist of digits only, and pandas before version 3 rounds the last digit of
        # a number.
        made = pd.read_csv(path, dtype=dict.fromkeys(COLUMNS, "str"), compression=packed)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path} must be a whole gzip file, since its name ends in {path.suffix}, but is"
            f" damaged or none: {error}"
        ) from error
    except ValueError as error:
        raise ValueError(f"{path} is no CSV table of runs: {error}") from error
    for name in made.columns.intersection(list(COLUMNS)):
        if COLUMNS[name] == "str":
            made[name] = made[name].fillna("")
        else:
            made[name] = _numbers(made[name])
    return made


def _numbers(texts: "Series[Any]") -> "Series[Any]":
    """Texts as whole numbers or numbers; unchanged if there is another text (`check_runs`)."""
    kinds: tuple[Any, ...] = (COLUMNS[str(texts.name)], "float64")
    for kind in kinds:
        try:
            return texts.astype(kind)
        except (TypeError, ValueError):
            continue
    return texts


class RowMaker:
    """Makes the row of a trial."""

    def __init__(self, study: Study, facts: StudyFacts) -> None:
        """Takes the study and the facts on its networks and data."""
        self._study = study
        self._facts = facts
        # This cache saves seconds: all points of a curve share these digests.
        self._shared = cache(self._of_settings)

    def row(self, record: TrialRecord) -> Row:
        """The row of a trial, as JSON data."""
        spec, summary = record.spec, record.summary
        settings = tuple(sorted(without_gamma(spec.settings).items()))
        shared = self._shared(spec.cell, settings, str(summary.get("code", "")))
        own = {
            "study": self._study.name,
            "model": spec.cell.variant,
            "task": spec.cell.task,
            "n_train": spec.cell.n_train,
            "gamma": float(spec.settings["gamma"]),
            "seed": spec.seed,
            "val_error": summary.get("val_error", min(record.rungs.values(), default=None)),
            "status": record.state,
            "phase": spec.phase,
            "trial": spec.key,
            "epochs": spec.epochs,
            "device": str(summary.get("device", "")),
            "reason": record.reason,
            "until": "decided" if self._study.curve.adaptive else "seeds",
        }
        own |= {name: summary.get(name) for name in _FROM_SUMMARY}
        own |= {name: summary[name] for name in LAYERS if summary.get(name) is not None}
        if summary.get(REPRODUCIBLE) is False:
            own[REPRODUCIBLE] = False
        if summary.get(DIAGNOSTICS):
            own[DIAGNOSTICS] = summary[DIAGNOSTICS]
        if record.array:
            own[ARRAY] = " ".join(map(str, record.array))
        return {**spec.settings, **own, **shared}

    def _of_settings(self, cell: Cell, settings: tuple[tuple[str, Any], ...], code: str) -> Row:
        spec = TrialSpec(self._study.name, cell, "curve", 0, {"gamma": 0.0, **dict(settings)}, 0, 1)
        config = self._study.run_config(spec)
        facts = self._facts.of_run(config, code)
        same = protocol(config, facts)
        model = {**facts.model_settings, **config.model_settings}
        return {
            "depth": _whole(model.get("depth")),
            "lr": config.training.lr,
            "unit": self._facts.tasks[cell.task].unit if cell.task in self._facts.tasks else "",
            "scale": gamma_scale(config, facts),
            "protocol": same.key,
            "protocol_text": same.text,
        }


def rows_of(
    folder: StudyFolder, superseded: bool = False, trials: StudyTrials | None = None
) -> list[Row]:
    """The rows of `study_runs` as JSON data, cell by cell, without pandas."""
    study = folder.read_study()
    if study is None:
        return []
    trials = trials or StudyTrials.read(study, folder.ledger)
    maker, rows = RowMaker(study, folder.read_facts()), []
    old = {id(record) for record in trials.superseded}
    for record in trials.all_records():
        if id(record) not in old:
            rows.append(maker.row(record))
        elif superseded:
            rows.append({**maker.row(record), "status": "superseded"})
    return rows


def _whole(value: Any) -> int | None:
    """A depth; None if it is no whole number, which a user's model may have."""
    whole = isinstance(value, int | float) and math.isfinite(value) and value == int(value)
    return int(value) if whole else None


def ended(runs: "DataFrame") -> "DataFrame":
    """The runs of a table that have ended."""
    return runs[runs["status"].isin(ENDED)].reset_index(drop=True)
