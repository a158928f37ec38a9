"""The study files that come with the package, found by name."""

from pathlib import Path

from lkm_tune.study.problem import Problem, StudyError, nearest

_PACKAGE = Path(__file__).parents[1]
# An installed wheel carries the files inside the package, a checkout has them beside it.
_FOLDERS = (_PACKAGE / "search_spaces", _PACKAGE.parent / "search_spaces")


def shipped_studies() -> dict[str, Path]:
    """The names of the shipped studies, in order, each with its file."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_study(study: str) -> Path:
    """The file of a study, given as a path or as the name of a shipped one.

    A file that is there comes first. `search_spaces/NAME.yaml` means the shipped study wherever
    it is said, since a script that is submitted to a cluster runs in another folder.

    Raises:
        StudyError: if there is neither; it lists the shipped names.
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
