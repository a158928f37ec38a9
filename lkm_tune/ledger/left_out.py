"""The nodes that a study left out, on disk, for its status and report."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lkm_tune.files import listing, read_json, write_text


@dataclass(frozen=True)
class LeftOut:
    """A node that got no trials for a time, because trials broke there one after the other.

    Attributes:
        address: the address of the node.
        reason: the last failure, whose last line names the error.
        until: the time in seconds since 1970 at which the node is tried again.
    """

    address: str
    reason: str
    until: float

    def __str__(self) -> str:
        """The node and the error in one line."""
        return f"{self.address}: {(self.reason.strip().splitlines() or ['unknown'])[-1]}"


def keep_left_out(path: Path, node: LeftOut) -> None:
    """Adds a node to the file; a later failure of the node replaces the earlier one."""
    others = [kept for kept in read_left_out(path) if kept.address != node.address]
    write_text(path, json.dumps([asdict(kept) for kept in (*others, node)], ensure_ascii=False))


def read_left_out(path: Path) -> list[LeftOut]:
    """The nodes in the file; none if the file is missing.

    Raises:
        ValueError: if the file is damaged; the error names the file.
    """
    if not path.exists():
        return []
    return read_json(path, lambda kept: [LeftOut(**one) for one in listing(kept)], "delete it")
