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
@click.option("--gamma", type=float, help="Strength of the mixing; 0 is training without mixing.")
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

    \b
    Examples:
      lkm-tune train --model pamnet --task qm9/alpha --gamma 0.01 --set data.source=sample
      lkm-tune train --config best.yaml --set data.n_train=2000 --out final
      lkm-tune train --model mxmnet --task qm9/homo --gamma 0 --set model_settings.hidden=64
      lkm-tune train --model mynets:schnet --task qm9/homo --gamma 0.01
      lkm-tune train --model mxmnet --task qm9/homo --init checkpoint.pt --init-config config.json
    """
    options = [f"{SHORT.get(k, k)}={v}" for k, v in given.items() if v is not None]
    trained = app.train_run(
        config,
        [*options, *overrides],
        init=init,
        init_config=init_config,
        device=device,
        out=out,
        events=_Epochs(),
    )
    result, unit = trained.result, trained.unit
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
