"""What a study that was sent to a server may name."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lkm_tune.app.catalog import make_catalog
from lkm_tune.datasets.origin import AUTO, SAMPLE
from lkm_tune.datasets.own_file import FILE
from lkm_tune.study import Catalog, DataPlan

MOST_ENTRIES = 100_000
"""Most files and folders below a folder that a sent study names."""


@dataclass(frozen=True)
class Permissions:
    """The parts of the machine that a sent study may use.

    Attributes:
        own_models: whether it may name models `package.module:function`, whose code then runs.
        data: the folders whose files it may name.
    """

    own_models: bool = False
    data: tuple[Path, ...] = ()

    def catalog(self) -> Catalog:
        """The catalog of a study file with these permissions."""
        usual = make_catalog()
        assert usual.own_model and usual.usual_data and usual.other_task
        own_model, usual_data, other_task = usual.own_model, usual.usual_data, usual.other_task

        def permitted_model(name: str) -> Mapping[str, Any]:
            if not self.own_models:
                raise ValueError(
                    "models of your own may be used only where the server was started with "
                    "--allow-own-models"
                )
            return own_model(name)

        def permitted_data(name: str, data: DataPlan) -> DataPlan:
            self._check(name, data)
            return usual_data(name, data)

        def permitted_task(name: str, data: DataPlan) -> str:
            if name.strip().lower().startswith(FILE):
                self._check(name, data)
            return other_task(name, data)

        return Catalog(
            models=usual.models,
            tasks=usual.tasks,
            other_task=permitted_task,
            usual_data=permitted_data,
            own_model=permitted_model,
            try_model=usual.try_model,
            try_task=usual.try_task,
            permitted=self._check,
        )

    def _check(self, task: str, data: DataPlan) -> None:
        written = [] if data.source in (None, AUTO, SAMPLE) else [str(data.source)]
        if task.strip().lower().startswith(FILE):
            written.append(task.strip()[len(FILE) :].strip())
        for path in written:
            try:
                place = Path(path).expanduser().resolve()
                inside = self._holds(place)
            except (OSError, RuntimeError) as error:
                # `resolve` raises a RuntimeError for a link to itself.
                raise ValueError(f"{path} cannot be opened: {error}") from error
            if not inside:
                known = ", ".join(map(str, self.data)) or "none"
                raise ValueError(
                    f"{path} must lie in a folder that the server was started with (--data), "
                    f"with all files that it holds or links to; there are: {known}"
                )

    def _holds(self, place: Path) -> bool:
        """Whether a file, or a folder with every link below it, lies in a folder of `data`."""
        roots = [folder.resolve() for folder in self.data]
        todo, seen, entries = [place], set[Path](), 0
        while todo:
            place = todo.pop()
            if not any(place.is_relative_to(root) for root in roots):
                return False
            if place in seen or not place.is_dir():
                continue
            seen.add(place)
            with os.scandir(place) as found:
                for entry in found:
                    entries += 1
                    if entries > MOST_ENTRIES:
                        raise OSError(f"a folder of data must hold at most {MOST_ENTRIES:,} files")
                    if entry.is_symlink() or entry.is_dir():
                        todo.append(Path(entry.path).resolve())
        return True
