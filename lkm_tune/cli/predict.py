"""`lkm-tune predict`: predictions of a trained network for molecules, as CSV."""

from contextlib import nullcontext
from pathlib import Path

import click

from lkm_tune import app
from lkm_tune.cli.options import OUT, Verb, storage_option

INPUT = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.command(cls=Verb)
@click.option(
    "--model", required=True, help="A model.safetensors, a trial's name or an MLflow run."
)
@click.argument("molecules", type=INPUT)
@storage_option
@click.option(
    "--own-model",
    metavar="NAME",
    help="Your own model, package.module:function, whose code may run.",
)
@click.option("--smiles", default="smiles", show_default=True, help="Column of SMILES in a table.")
@click.option("--forces", type=OUT, help="Also write energies and forces, as extended XYZ.")
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

    MOLECULES is a table of SMILES (.csv, .tsv), SMILES (.smi), SDF, extended XYZ or another file
    that ASE reads, compressed or not, or - for standard input. Every molecule is a row. The row of
    a molecule without a prediction has the reason, and the exit code is then 3.

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
        reason = ["reason"] if found.reasons else []
        table.writerow(["molecule", *found.columns, *reason])
        for place, (name, row) in enumerate(zip(found.molecules, found.values, strict=True)):
            why = found.reasons.get(place)
            values = [f"{value:.8g}" if why is None else "" for value in row]
            table.writerow([name, *values, *([why] if reason else [])])
    if found.reasons:
        sys.exit(3)
