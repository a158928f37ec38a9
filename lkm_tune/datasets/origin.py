"""Where a task's file is looked for, and which file must be found."""

from dataclasses import dataclass
from pathlib import Path

from lkm_tune.datasets.dataset import Task
from lkm_tune.datasets.digest import content_digest
from lkm_tune.datasets.molecules import DataError
from lkm_tune.datasets.own import FILE
from lkm_tune.study import DataPlan

AUTO, SAMPLE = "auto", "sample"
"""Sources that are no paths."""


@dataclass(frozen=True)
class Origin:
    """What is known of a task's file before it is looked for.

    A trial trains in another folder, and often on another machine, than the driver that checked
    its data: it must read the same file all the same.

    Attributes:
        folder: That relative paths start from.
        digest: Of the file's content, as `content_digest` gives it; None where any will do.
    """

    folder: Path = Path()
    digest: str | None = None

    def source(self, task: Task, data: DataPlan) -> str:
        """The source that a task's `Dataset` locates: `auto`, `sample` or a path.

        Args:
            task: The task.
            data: What a study says of its data.
        """
        if task.dataset.startswith(FILE):
            written = task.dataset.removeprefix(FILE)
        else:
            written = data.source or AUTO
            if written in (AUTO, SAMPLE):
                return written
        return str(self.folder / Path(written).expanduser())

    def checked(self, task: Task, source: Path) -> str:
        """The digest of the file that was found.

        Raises:
            DataError: The file cannot be read, or is another one.
        """
        digest = content_digest(source)
        if self.digest not in (None, digest):
            raise DataError(
                f"{task.name}: {source} has the SHA-256 {digest}, but the data must be those of "
                f"{self.digest}: it is another file, or was changed; give `data.source` as the "
                "path of the right one"
            )
        return digest


HERE = Origin()
"""The working folder, and whatever file is there."""
