"""The choices for molecules of a file that no network can use unchanged."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from lkm_tune.datasets.molecules import DataError
from lkm_tune.datasets.problems import SHOWN, refuse_any
from lkm_tune.study import DataPlan

MOST_SKIPPED = 0.2
"""Default of the largest fraction of wrong entries in a file."""


class Problem(NamedTuple):
    """The reason why an entry of a file is unusable.

    Attributes:
        entry: Its index among the entries, from 0.
        name: Its name in messages, `line 3`.
        kind: The kind of the reason.
        message: A sentence without its subject, the entry.
    """

    entry: int
    name: str
    kind: str
    message: str


@dataclass(frozen=True)
class Cleaning:
    """The choices of a study; see `DataPlan` and docs/datasets.md."""

    invalid: Literal["refuse", "skip"] = "refuse"
    max_skipped: float = MOST_SKIPPED
    fragments: Literal["refuse", "largest", "keep"] = "refuse"
    charged: Literal["refuse", "neutralise", "keep"] = "refuse"
    repeated: Literal["refuse", "first", "mean"] = "refuse"
    conformer: Literal["etkdg"] | None = None

    @classmethod
    def of(cls, data: DataPlan) -> "Cleaning":
        """The choices of a data plan."""
        return cls(
            invalid=data.invalid or "refuse",
            max_skipped=MOST_SKIPPED if data.max_skipped is None else data.max_skipped,
            fragments=data.fragments or "refuse",
            charged=data.charged or "refuse",
            repeated=data.repeated or "refuse",
            conformer=data.conformer,
        )


def refuse(
    path: Path | str,
    wrong: Sequence[Problem],
    repeated: Sequence[Problem],
    cleaning: Cleaning,
) -> None:
    """Refuses a file with problems that `cleaning` does not allow.

    Args:
        path: The file.
        wrong: Unusable entries.
        repeated: Entries that repeat an earlier one.
        cleaning: The choices of the study.

    Raises:
        DataError: There are such problems; the error names up to ten and says what to do.
    """
    refused: list[Problem] = []
    hints = []
    if wrong and cleaning.invalid == "refuse":
        refused += wrong
        hints.append("data.invalid: skip leaves out unusable entries")
    if repeated and cleaning.repeated == "refuse":
        refused += repeated
        hints.append("data.repeated: first or mean keeps one entry of each molecule")
    hint = f"({'; '.join(hints)}: docs/datasets.md)"
    refuse_any(path, [f"{p.name}: {p.message}" for p in sorted(refused)], hint)


def left_out(
    path: Path | str,
    total: int,
    problems: Sequence[Problem],
    unlabelled: Sequence[Problem],
    most: float,
) -> list[str]:
    """Remarks on the entries that are left out, one sentence each.

    Args:
        path: The file.
        total: Entries in the file.
        problems: Problems of wrong entries.
        unlabelled: Problems of entries whose only fault is a missing target value.
        most: The largest fraction of wrong entries.

    Raises:
        DataError: There are more wrong entries; the error names up to ten.
    """
    entries = {problem.entry for problem in problems}
    kinds = Counter(problem.kind for problem in problems)
    counts = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    first = "; ".join(f"{p.name}: {p.message}" for p in sorted(problems)[:SHOWN])
    if len(entries) > most * total:
        raise DataError(
            f"{path}: at most the fraction {most:g} of a file may be left out (data.max_skipped), "
            f"but {len(entries)} of {total} entries are unusable ({counts}). First: {first}"
        )
    remarks = []
    if entries:
        remarks.append(f"{len(entries)} of {total} entries are left out ({counts}). First: {first}")
    if missing := {problem.entry for problem in unlabelled} - entries:
        remarks.append(
            f"{len(missing)} of {total} entries are left out, since they have no value "
            f"({unlabelled[0].kind})"
        )
    return remarks
