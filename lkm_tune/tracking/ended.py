"""The table of ended runs, kept in a file beside MLflow and only brought up to date.

MLflow takes seconds for a thousand runs. What has ended does not change any more, so each run is
read once: the next reading asks for those that ended after the newest one known (less an hour, for
clocks that disagree). A SQLite database that has not changed since is not asked at all.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lkm_tune.tracking.storage import database_stamp

ENDED = ("complete", "stopped", "diverged", "infeasible", "failed")
"""How a run has ended for good; what was interrupted goes on."""

_OVERLAP = 3_600_000
"""Milliseconds by which clocks may disagree."""

_VERSION = 2
_OWN = ("experiment", "cell_key", "settings", "ended")


def ended_runs(tracking_uri: str, folder: Path) -> pd.DataFrame:
    """The ended runs of all studies, with the columns of `reader.read_runs`.

    Args:
        tracking_uri: the MLflow.
        folder: where the table is kept: `runs.csv`, and `runs.json` on how far it reaches.
    """
    state, table = _read(folder, tracking_uri)
    stamp = database_stamp(tracking_uri)
    if state is None or table is None or stamp is None or state["stamp"] != stamp:
        state, table = _update(tracking_uri, state, table)
        # Taken before the reading: what is written meanwhile is asked for the next time.
        state["stamp"] = stamp
        _write(folder, state, table)
    current = [
        state["curves"].get(key) in (None, settings)
        for key, settings in zip(
            table["experiment"].astype(str) + "/" + table["cell_key"] + "/" + table["phase"],
            table["settings"],
            strict=True,
        )
    ]
    return table[current].drop(columns=list(_OWN)).reset_index(drop=True)


def _read(folder: Path, tracking_uri: str) -> tuple[dict[str, Any] | None, pd.DataFrame | None]:
    """What is kept; nothing when it is of another MLflow, of another version, or damaged."""
    try:
        state = json.loads((folder / "runs.json").read_text())
        if (state["version"], state["uri"]) != (_VERSION, tracking_uri):
            return None, None
        table = pd.read_csv(
            folder / "runs.csv",
            dtype=state["types"],
            keep_default_na=False,
            na_values={name: [""] for name, kind in state["types"].items() if kind != "str"},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
    return (state, table) if len(table) == state["rows"] else (None, None)


def _update(
    tracking_uri: str, state: Mapping[str, Any] | None, table: pd.DataFrame | None
) -> tuple[dict[str, Any], pd.DataFrame]:
    # MLflow takes seconds to import, and what is up to date does not need it.
    from lkm_tune.tracking.reader import read_ended

    known = {} if state is None else state["newest"]
    rows, curves, experiments = read_ended(
        tracking_uri, {name: newest - _OVERLAP for name, newest in known.items()}
    )
    if table is not None:
        fresh = set(rows["run_id"])
        old = table[table["experiment"].isin(experiments) & ~table["run_id"].isin(fresh)]
        rows = pd.concat([old, rows], ignore_index=True) if len(old) else rows
    rows = rows.sort_values(["study", "model", "task", "trial"], ignore_index=True)
    newest = {
        str(name): int(ended) for name, ended in rows.groupby("experiment")["ended"].max().items()
    }
    types = {name: _kind(kind) for name, kind in rows.dtypes.items()}
    return {
        "version": _VERSION,
        "uri": tracking_uri,
        "rows": len(rows),
        "types": types,
        "newest": newest,
        "curves": curves,
    }, rows


def _kind(kind: Any) -> str:
    """A type as the file can be read again with; settings of several types stay text."""
    name = str(kind)
    return name if name in ("float64", "int64", "Int64", "bool", "str") else "object"


def _write(folder: Path, state: Mapping[str, Any], table: pd.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # The state last: it names the number of rows that the table must have.
    for name, text in (
        ("runs.csv", table.to_csv(index=False)),
        ("runs.json", json.dumps(state, indent=1)),
    ):
        part = folder / f".{name}.{os.getpid()}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)
