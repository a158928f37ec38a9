"""The hours that a study has spent and what its trials hold, over all of its drivers."""

from dataclasses import dataclass, field
from pathlib import Path

from lkm_tune.files import read_json


@dataclass
class Spent:
    """Hours: of wall time while a driver ran the study, and of what its trials held."""

    wall: float = 0.0
    cpu: float = 0.0
    gpu: float = 0.0

    @property
    def compute(self) -> tuple[float, str]:
        """Hours of GPU, or of CPU where no trial holds a GPU, and which of both."""
        return (self.gpu, "GPU") if self.gpu else (self.cpu, "CPU")


@dataclass(frozen=True)
class Use:
    """What a study's driver last wrote.

    Attributes:
        spent: so far.
        nodes: what trials hold on each node, by its address: `trials`, `cpu`, `gpu`, and of how
            much: `of_cpu`, `of_gpu`.
        at: when, in seconds since 1970.
    """

    spent: Spent = field(default_factory=Spent)
    nodes: dict[str, dict[str, float]] = field(default_factory=dict)
    at: float = 0.0

    @classmethod
    def read(cls, path: Path) -> "Use":
        """From the file of a study's folder; nothing where there is none.

        Raises:
            ValueError: if the file is damaged; names it.
        """
        if not path.exists():
            return cls()
        kept = read_json(path, "delete it, and the hours spent so far count as none")
        return cls(Spent(**kept["spent"]), kept["nodes"], kept["at"])
