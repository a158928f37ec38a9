"""`lkm-tune predict`: a trained network on molecules, as CSV."""

from contextlib import nullcontext
from pathlib import Path

import click

from lkm_tune import app
from lkm_tune.cli.options import FILE, OUT, Verb, storage_option


@click.command(cls=Verb)
@click.option(
    "--model", required=True, help="A model.safetensors, a trial's name or an MLflow run."
)
@click.argument("molecules", type=FILE)
@storage_option
@click.option("--own-model", metavar="NAME", help="Of your own: package.module:function to run.")
@click.option("--smiles", default="smiles", show_default=True, help="Column of a table.")
@click.option("--forces", type=OUT, help="Write energies and forces too, as extended XYZ.")
@click.option("-o", "--out", type=OUT, help="Else printed.")
def predict(
    model: str,
    molecules: Path,
    storage: Path,
    own_model: str | None,
    smiles: str,
    forces: Path | None,
    out: Path | None,
) -> None:
    """Predict properties of MOLECULES as CSV.

    MOLECULES is a file that ASE reads (xyz, extxyz, sdf, …), or a table of SMILES (.csv) for a
    network that needs no positions.

    \b
    Examples:
      lkm-tune predict --model lkm-train/model.safetensors molecules.xyz
      lkm-tune predict --model pamnet-qm9_alpha-300/curve/0003-9823659f molecules.xyz
      lkm-tune predict --model ethanol/model.safetensors frames.xyz --forces forces.xyz
    """
    import csv
    import sys

    found = app.predict(model, molecules, storage, own_model, smiles, forces)
    with out.open("w", newline="", encoding="utf-8") if out else nullcontext(sys.stdout) as file:
        table = csv.writer(file)
        table.writerow(["molecule", *found.columns])
        for name, row in zip(found.molecules, found.values, strict=True):
            table.writerow([name, *(f"{value:.8g}" for value in row)])
