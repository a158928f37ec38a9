"""The hours that a study has spent over all its drivers, and the resources its trials hold."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lkm_tune.files import mapping, read_json


@dataclass
class Spent:
    """Hours of wall time of the drivers, and hours of the resources that trials held."""

    wall: float = 0.0
    cpu: float = 0.0
    gpu: float = 0.0

    @property
    def compute(self) -> tuple[float, str]:
        """GPU-hours, or CPU-hours if no trial holds a GPU, with the name of the resource."""
        return (self.gpu, "GPU") if self.gpu else (self.cpu, "CPU")


STARTING = "starting"
"""The node of trials that no node has reported yet."""


@dataclass(frozen=True)
class Use:
    """The last record of a study's driver.

    Attributes:
        spent: so far.
        nodes: address of each node -> resources that trials hold (`trials`, `cpu`, `gpu`) and the
            total resources (`of_cpu`, `of_gpu`).
        at: time of the record in seconds since 1970.
        waiting: whether no trial runs because the cluster has no room for one.
    """

    spent: Spent = field(default_factory=Spent)
    nodes: dict[str, dict[str, float]] = field(default_factory=dict)
    at: float = 0.0
    waiting: bool = False

    @classmethod
    def read(cls, path: Path) -> "Use":
        """The record in a study's folder; empty if the file is missing.

        Raises:
            ValueError: if the file is damaged; the error names the file.
        """
        if not path.exists():
            return cls()
        return read_json(path, cls._of, "delete it, and the hours spent so far count as none")

    @classmethod
    def _of(cls, kept: Any) -> "Use":
        spent = {key: float(hours) for key, hours in mapping(kept)["spent"].items()}
        nodes = {address: mapping(held) for address, held in kept["nodes"].items()}
        return cls(Spent(**spent), nodes, float(kept["at"]), kept.get("waiting", False))
