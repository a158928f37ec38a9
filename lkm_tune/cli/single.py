"""`lkm-tune train`, `export` and `predict`: one network, without Ray."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lkm_tune.cli.options import set_option, storage_option, study_names, user_errors

if TYPE_CHECKING:
    from lkm_tune.training import TrainingRun

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)
# Options of `train` that are short for a key of its file.
SHORT = {"lr": "training.lr", "epochs": "training.epochs", "depth": "model_settings.depth"}


@click.command()
@click.option("--config", type=FILE)
@click.option("--model", help="See `lkm-tune models`, or your own as package.module:function.")
@click.option("--task", help="A task, see `lkm-tune tasks`.")
@click.option("--gamma", type=float, help="Strength of the mixing; 0 is the plain network.")
@click.option("--depth", type=int, help="Interaction blocks.")
@click.option("--lr", type=float, help="Peak learning rate.")
@click.option("--epochs", type=int)
@click.option("--seed", type=int)
@click.option("--init", type=FILE, help="Weights to begin with: the authors' or our own.")
@click.option("--init-config", type=FILE, help="JSON: settings that those weights do not tell.")
@set_option
@click.option("--device", default="cpu", show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("lkm-train"))
def train(
    config: Path | None,
    init: Path | None,
    init_config: Path | None,
    overrides: tuple[str, ...],
    device: str,
    out: Path,
    **given: Any,
) -> None:
    """Train one network, in this process: for a debugger, or for the final model.

    Writes model.safetensors, history.csv and result.json into --out. The keys of --set are those
    of the file that `lkm-tune export` writes.

    \b
    Examples:
      lkm-tune train --model pamnet --task qm9/alpha --gamma 0.01 --set data.source=sample
      lkm-tune train --config best.yaml --set data.n_train=2000 --out final
      lkm-tune train --model mxmnet --task qm9/homo --gamma 0 --set model_settings.hidden=64
      lkm-tune train --model mynets:schnet --task qm9/homo --gamma 0.01
      lkm-tune train --model mxmnet --task qm9/homo --init checkpoint.pt --init-config config.json
    """
    from lkm_tune.cli.catalog import make_catalog
    from lkm_tune.cli.start import begin
    from lkm_tune.study import load_run_config
    from lkm_tune.training import TrainingRun

    options = [f"{SHORT.get(k, k)}={v}" for k, v in given.items() if v is not None]
    with user_errors():
        settings = load_run_config(config, make_catalog(), [*options, *overrides])
        settings, weights = begin(settings, init, init_config)
        run = TrainingRun(settings, device, weights=weights)
    _train(run, out)


@click.command()
@click.option("--study", required=True)
@click.option("--model", required=True)
@click.option("--task", required=True)
@storage_option
@click.option("-o", "--out", type=OUT, help="Else printed.")
def export(study: str, model: str, task: str, storage: Path, out: Path | None) -> None:
    """Write the best settings of a finished cell as a file for `lkm-tune train --config`.

    \b
    Example:
      lkm-tune export --study quickstart --model pamnet --task qm9/alpha -o best.yaml
    """
    import shlex

    from lkm_tune.cli.config import best_config, config_text

    with user_errors():
        (name,) = study_names(storage, study)
        config, comment = best_config(storage, name, model, task)
    text = config_text(config, comment)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        click.echo(f"{out}: lkm-tune train --config {shlex.quote(str(out))}")


@click.command()
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

    from lkm_tune.cli.molecules import find_model, predict_all, read_molecules
    from lkm_tune.cli.own import look_in_working_folder
    from lkm_tune.training import TrainedModel

    with user_errors():
        if own_model is not None:
            look_in_working_folder()
        trained = TrainedModel.load(find_model(model, storage), own_model)
        names, found = read_molecules(molecules, smiles)
        values = predict_all(trained, found, forces)
    with out.open("w", newline="", encoding="utf-8") if out else nullcontext(sys.stdout) as file:
        table = csv.writer(file)
        scales = trained.normaliser.scales
        learnt = [trained.task.name] if len(scales) == 1 else [scale.name for scale in scales]
        units = [f"{name} [{scale.unit}]" for name, scale in zip(learnt, scales, strict=True)]
        table.writerow(["molecule", *units])
        for name, row in zip(names, values, strict=True):
            table.writerow([name, *(f"{value:.8g}" for value in row)])


def _train(run: "TrainingRun", out: Path) -> None:
    import json
    import math

    from lkm_tune.datasets import caution, content_digest
    from lkm_tune.training import save_model

    unit = run.data.task.unit
    if said := caution(content_digest(run.data.source)):
        click.echo(f"note: {said}")
    out.mkdir(parents=True, exist_ok=True)
    history = out / "history.csv"
    with history.open("w", encoding="utf-8") as file:
        file.write("epoch,total,prediction,kd,kd_ratio,val_error,lr,seconds\n")
        for epoch in run.epochs():
            losses = [epoch.losses[name] for name in ("total", "prediction", "kd")]
            row = [epoch.epoch, *losses, epoch.kd_ratio, epoch.val_error, epoch.lr, epoch.seconds]
            file.write(",".join(f"{value:.8g}" for value in row) + "\n")
            click.echo(
                f"epoch {epoch.epoch:>4}  loss {epoch.losses['prediction']:.4f}  "
                f"L_KD {epoch.losses['kd']:.4g}  γ·L_KD/L_pred {epoch.kd_ratio:.3g}  "
                f"validation {epoch.val_error:.5g} {unit}  {epoch.seconds:.2f} s"
            )
    result = run.result()
    values = {k: None if isinstance(v, float) and not math.isfinite(v) else v
              for k, v in result.to_dict().items()}  # fmt: skip
    (out / "result.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    if result.outcome == "diverged":
        raise click.ClickException(f"diverged: {result.reason}")
    save_model(run, out / "model.safetensors")
    click.echo(
        f"test error {result.test_error:.5g} {unit} (epoch {result.best_epoch}); predicting the "
        f"mean: {result.test_mean_error:.5g} {unit}\nmodel: {out / 'model.safetensors'}"
    )
