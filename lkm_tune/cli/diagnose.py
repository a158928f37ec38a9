"""`lkm-tune diagnose`: what mixing did inside trained networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lkm_tune.cli.options import json_option, storage_option, study_names, user_errors

if TYPE_CHECKING:
    from lkm_tune.cli.examined import Examined
    from lkm_tune.ledger.study_folder import StudyFolder

Files = Mapping[str, Path]
"""The files of trained networks by their labels."""

SAMPLES = 256
"""Of a task, looked at unless another number is asked for."""


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@storage_option
@click.option(
    "--cell",
    metavar="MODEL@TASK",
    help="Of a study: only this cell; with what is compared, as pamnet@qm9/gap@depth=2.",
)
@click.option(
    "--samples", default=SAMPLES, show_default=True, help="Validation samples to look at."
)
@click.option(
    "--projection",
    "methods",
    type=click.Choice(["pca", "tsne", "umap"]),
    multiple=True,
    default=("pca",),
    show_default=True,
    help="May be given several times.",
)
@click.option("--molecule", help="To draw: benzene, a formula, or its number in the dataset.")
@click.option("--own-model", metavar="NAME", help="Of your own: package.module:function to run.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where pictures go; of a study by default beside its cells, for its report.",
)
@json_option
def diagnose(
    runs: tuple[str, ...],
    storage: Path,
    cell: str | None,
    samples: int,
    methods: tuple[str, ...],
    molecule: str | None,
    own_model: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Show what mixing did inside networks: layers alike, atoms alike, what pulls harder.

    RUN is a study, of which γ = 0, the best and the highest γ of each cell are shown side by side;
    or trained networks: a model.safetensors, a folder of `lkm-tune train`, a trial's name or an
    MLflow run. Without RUN it is the only study of the storage folder.

    \b
    Examples:
      lkm-tune diagnose quickstart
      lkm-tune diagnose quickstart --cell pamnet@qm9/gap --projection pca --projection tsne
      lkm-tune diagnose plain/model.safetensors mixed/model.safetensors --output pictures
    """
    import json

    from lkm_tune.cli.examined import draw, examine_all, to_json
    from lkm_tune.cli.own import look_in_working_folder

    found = []
    with user_errors():
        if own_model is not None:
            look_in_working_folder()
        for name, (files, place) in _groups(runs, storage, cell).items():
            examined = examine_all(files, samples, own_model)
            folder = place if output is None else output / name
            if folder is not None:
                draw(examined, folder, methods, molecule)
            found += to_json(examined, name)
            if not as_json:
                _show(name, examined, folder)
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))


def draw_cells(folder: "StudyFolder") -> None:
    """Draws what is inside the networks of a study that was just run; says where it cannot."""
    from lkm_tune.cli.console import say
    from lkm_tune.cli.examined import draw, examine_all

    study = folder.read_study()
    own = {cell.key: cell.model for cell in study.cells} if study else {}
    try:
        for key, (files, place) in _cells(folder, None).items():
            # Code of the user's own has run in this study.
            draw(examine_all(files, SAMPLES, own[key]), place, ("pca",))
    except (ValueError, FileNotFoundError) as error:
        say(f"no pictures of the layers: {error}")


def _groups(
    runs: Sequence[str], storage: Path, cell: str | None
) -> Mapping[str, tuple[Files, Path | None]]:
    """What is to be shown side by side, by name, with where its pictures go by default."""
    from lkm_tune.cli.molecules import find_model
    from lkm_tune.ledger.study_folder import StudyFolder

    known = study_names(storage) if not runs else _studies(storage)
    names = list(runs) or known
    if not runs and len(known) > 1:
        raise ValueError(f"there are several studies in {storage}, name one: {', '.join(known)}")
    studies = [name for name in names if name in known]
    if studies and len(names) > 1:
        raise ValueError(f"a study stands alone, but got {', '.join(names)}")
    if studies:
        return _cells(StudyFolder(storage, studies[0]), cell)
    if cell is not None:
        raise ValueError(f"--cell is of a study, but {', '.join(names)} is none")
    return {"": ({name: find_model(name, storage) for name in names}, None)}


def _studies(storage: Path) -> list[str]:
    return [path.parent.name for path in storage.glob("studies/*/study.json")]


def _cells(folder: "StudyFolder", wanted: str | None) -> dict[str, tuple[Files, Path]]:
    from lkm_tune.ledger.trials import StudyTrials
    from lkm_tune.search.beside import side_by_side
    from lkm_tune.search.trial_files import local_model

    study = folder.read_study()
    if study is None:
        raise FileNotFoundError(f"there is no study in {folder.path}")
    trials = StudyTrials.read(study, folder.ledger)
    names = {cell.address.lower(): cell for cell in study.cells}
    if wanted is not None and wanted.lower() not in names:
        raise ValueError(f"--cell must be one of {', '.join(names)}, but is {wanted}")
    found: dict[str, tuple[Files, Path]] = {}
    for name, cell in names.items():
        points = trials.records(cell, "curve")
        if wanted is not None and name != wanted.lower():
            continue
        if wanted is None and not any(point.state == "complete" for point in points):
            continue
        chosen = side_by_side(points)
        files = {label: local_model(folder, spec) for label, spec in chosen.items()}
        found[cell.key] = files, folder.cells / cell.key
    if not found:
        raise ValueError(f"no curve of {study.name} has a complete run yet")
    return found


def _show(name: str, examined: "Sequence[Examined]", folder: Path | None) -> None:
    from rich.table import Table

    from lkm_tune.cli.console import console, say

    if name:
        say(name)
    for one in examined:
        figures, pull = one.states.figures, one.pull
        say(f"{one.label}: {one.run.config.model} on {one.run.config.task}")
        columns = ("layer", "to mean", "over atoms", "Dirichlet", "MAD", "rank", "CKA to next")
        table = Table(*columns, box=None, pad_edge=False)
        for j in range(len(figures.effective_rank)):
            values = [
                figures.distance_to_mean[j],
                figures.atom_variance[j],
                figures.dirichlet_energy[j],
                figures.mean_average_distance[j],
                figures.effective_rank[j],
                *figures.cka[j][j + 1 : j + 2],
            ]
            table.add_row(str(j + 1), *(f"{value:.3g}" for value in values))
        console.print(table)
        say(
            f"gradient of the prediction {pull.prediction:.3g}, of γ·L_KD {pull.mixing:.3g}: "
            f"{pull.ratio:.2g} of it"
        )
    if folder is not None:
        say(f"pictures: {folder}")
