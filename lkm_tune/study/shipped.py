"""The study files of the package, by name."""

from pathlib import Path

from lkm_tune.study.problem import Problem, StudyError, nearest

_PACKAGE = Path(__file__).parents[1]
# A wheel has the files inside the package, a checkout next to the package.
_FOLDERS = (_PACKAGE / "search_spaces", _PACKAGE.parent / "search_spaces")


def shipped_studies() -> dict[str, Path]:
    """The names of the shipped studies, in order, each with its file."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_study(study: str) -> Path:
    """The file of a study, given by its path or by the name of a shipped study.

    An existing file takes precedence. `search_spaces/NAME.yaml` means the shipped study in every
    folder, since a script that is submitted to a cluster runs in another folder.

    Raises:
        StudyError: if neither exists; the error lists the shipped names.
    """
    path = Path(study)
    if path.is_file():
        return path
    shipped = shipped_studies()
    named = path.stem if path.parent.name == "search_spaces" and path.suffix == ".yaml" else study
    if named in shipped:
        return shipped[named]
    rule = "is neither a file nor the name of a shipped study"
    raise StudyError(
        [Problem(study, None, "", rule, None, tuple(shipped), nearest(path.stem, shipped))]
    )
