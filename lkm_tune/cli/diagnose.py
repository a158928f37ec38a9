"""`lkm-tune diagnose`: the effect of mixing inside trained networks."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lkm_tune import app
from lkm_tune.cli.options import Verb, json_option, storage_option

if TYPE_CHECKING:
    from lkm_tune.app import Diagnosis

SAMPLES = 256
"""Default number of validation samples."""


@click.command(cls=Verb)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@storage_option
@click.option(
    "--cell",
    metavar="MODEL@TASK",
    help="Only this cell of a study, such as pamnet@qm9/gap@depth=2.",
)
@click.option("--samples", default=SAMPLES, show_default=True, help="Number of validation samples.")
@click.option(
    "--projection",
    "methods",
    type=click.Choice(["pca", "tsne", "umap"]),
    multiple=True,
    default=("pca",),
    show_default=True,
    help="May be given several times.",
)
@click.option(
    "--molecule", help="The molecule to draw: benzene, a formula, or its number in the dataset."
)
@click.option(
    "--own-model",
    metavar="NAME",
    help="Your own model, package.module:function, whose code may run.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the pictures; by default, the folders of a study's cells, for its report.",
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
    """Show the effect of mixing inside networks: similarity of layers and of atoms, and gradients.

    RUN is a study, or trained networks: a model.safetensors, a folder of `lkm-tune train`, a
    trial's name or an MLflow run. Of a study, γ = 0, the best and the highest γ of each cell are
    compared. Without RUN, it is the only study of the storage folder.

    \b
    Examples:
      lkm-tune diagnose quickstart
      lkm-tune diagnose quickstart --cell pamnet@qm9/gap --projection pca --projection tsne
      lkm-tune diagnose plain/model.safetensors mixed/model.safetensors --output pictures
    """
    import json

    found = []
    for shown in app.diagnose(
        runs,
        storage,
        cell=cell,
        samples=samples,
        methods=methods,
        molecule=molecule,
        own_model=own_model,
        output=output,
    ):
        found += shown.to_json()
        if not as_json:
            _show(shown)
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))


def _show(shown: "Diagnosis") -> None:
    from rich.table import Table

    from lkm_tune.cli.console import console, say

    if shown.name:
        say(shown.name)
    for one in shown.networks:
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
            f"gradient of the prediction loss {pull.prediction:.3g}, of γ·L_KD {pull.mixing:.3g}: "
            f"ratio {pull.ratio:.2g}"
        )
    if shown.folder is not None:
        say(f"pictures: {shown.folder}")
