"""`lkm-tune train`: one network, without Ray."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lkm_tune import app
from lkm_tune.cli.options import FILE, Verb, set_option

if TYPE_CHECKING:
    from lkm_tune.app import EpochResult

# Options that set one key of the file.
SHORT = {"lr": "training.lr", "epochs": "training.epochs", "depth": "model_settings.depth"}


@click.command(cls=Verb)
@click.option("--config", type=FILE)
@click.option("--model", help="A model (`lkm-tune models`), or your own: package.module:function.")
@click.option("--task", help="A task (`lkm-tune tasks`).")
@click.option(
    "--gamma",
    help="Strength of the mixing; 0 is training without mixing. Several, as 0,0.01,0.1, train one "
    "network each.",
)
@click.option("--depth", type=int, help="Interaction blocks.")
@click.option("--lr", type=float, help="Peak learning rate.")
@click.option("--epochs", type=int)
@click.option("--seed", type=int)
@click.option(
    "--init", type=FILE, help="Initial weights: a file of lkm-tune or of the authors' code."
)
@click.option(
    "--init-config", type=FILE, help="JSON: settings that the initial weights do not contain."
)
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
    """Train one network in this process, for a debugger or as the final model.

    Writes model.safetensors, history.csv and result.json into --out. --set takes the keys of the
    file that `lkm-tune export` writes.

    Several values of --gamma train one network each, with files in the folders gamma-0, gamma-0.01
    and so on of --out. On a GPU they train as one program, and so do gcn, gat and gin with at most
    32 features on a CPU, where this is faster; the numbers are those of single trainings up to
    rounding.

    \b
    Examples:
      lkm-tune train --model pamnet --task qm9/alpha --gamma 0.01 --set data.source=sample
      lkm-tune train --config best.yaml --set data.n_train=2000 --out final
      lkm-tune train --model gin --task qm9/homo --gamma 0,0.01,0.1,1 --out sweep
      lkm-tune train --model mxmnet --task qm9/homo --gamma 0 --set model_settings.hidden=64
      lkm-tune train --model mynets:schnet --task qm9/homo --gamma 0.01
      lkm-tune train --model mxmnet --task qm9/homo --init checkpoint.pt --init-config config.json
    """
    gammas = _several(given)
    options = [f"{SHORT.get(k, k)}={v}" for k, v in given.items() if v is not None]
    more: dict[str, Any] = {"init": init, "init_config": init_config, "device": device, "out": out}
    if gammas is None:
        _say(app.train_run(config, [*options, *overrides], **more, events=_Epochs()))
        return
    runs = app.train_gammas(gammas, config, [*options, *overrides], **more, events=_Epochs())
    for gamma, trained in runs.items():
        click.echo(f"γ = {gamma:g}: ", nl=False)
        _say(trained)


def _several(given: dict[str, Any]) -> list[float] | None:
    """Takes several γ out of the options; None if there are not several."""
    said = given["gamma"]
    if said is None or "," not in said:
        return None
    try:
        gammas = [float(value) for value in said.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"must be a number or numbers with commas between them, such as 0,0.01,0.1, got {said}",
            param_hint="'--gamma'",
        ) from None
    # The config needs one γ, which each run replaces.
    given["gamma"] = gammas[0]
    return gammas


def _say(trained: "app.TrainedRun") -> None:
    result, unit = trained.result, trained.unit
    if trained.model is None:
        click.echo(f"diverged: {result.reason}")
        return
    click.echo(
        f"test error {result.test_error:.5g} {unit} (epoch {result.best_epoch}); predicting the "
        f"mean: {result.test_mean_error:.5g} {unit}\nmodel: {trained.model}"
    )


class _Epochs(app.Events):
    """Prints a line for every epoch."""

    def remark(self, text: str) -> None:
        click.echo(text)

    def epoch(self, epoch: "EpochResult", unit: str) -> None:
        click.echo(
            f"epoch {epoch.epoch:>4}  loss {epoch.losses['prediction']:.4f}  "
            f"L_KD {epoch.losses['kd']:.4g}  γ·L_KD/L_pred {epoch.kd_ratio:.3g}  "
            f"validation {epoch.val_error:.5g} {unit}  {epoch.seconds:.2f} s"
        )

    def epoch_of(self, gamma: float, epoch: "EpochResult", unit: str) -> None:
        click.echo(f"γ {gamma:<6g} ", nl=False)
        self.epoch(epoch, unit)
