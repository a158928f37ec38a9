"""The place of a task's data file, and the digest that it must have."""

from dataclasses import dataclass
from pathlib import Path

from lkm_tune.datasets.dataset import Task
from lkm_tune.datasets.digest import content_digest
from lkm_tune.datasets.molecules import DataError
from lkm_tune.datasets.own_file import FILE
from lkm_tune.study import DataPlan

AUTO, SAMPLE = "auto", "sample"
"""Sources that are not paths."""


@dataclass(frozen=True)
class Origin:
    """The known facts on a task's data file.

    A trial runs in another folder than its driver, and often on another machine, but it must read
    the file that the driver has checked.

    Attributes:
        folder: The folder where relative paths start.
        digest: The `content_digest` of the file; None if any file is valid.
    """

    folder: Path = Path()
    digest: str | None = None

    def source(self, task: Task, data: DataPlan) -> str:
        """The source for a task's `Dataset`: `auto`, `sample` or a path.

        Args:
            task: The task.
            data: The data plan of the task.
        """
        if task.dataset.startswith(FILE):
            written = task.dataset.removeprefix(FILE)
        else:
            written = data.source or AUTO
            if written in (AUTO, SAMPLE):
                return written
        return str(self.folder / Path(written).expanduser())

    def checked(self, task: Task, source: Path) -> str:
        """The digest of the data file, after a comparison with the expected digest.

        Raises:
            DataError: The file cannot be read, or has another digest.
        """
        digest = content_digest(source)
        if self.digest not in (None, digest):
            raise DataError(
                f"{task.name}: {source} has the SHA-256 {digest}, but the expected SHA-256 is "
                f"{self.digest}: it is another file, or has changed; give `data.source` as the "
                "path of the right file"
            )
        return digest


HERE = Origin()
"""The working folder, with any file."""
