"""Compares the gains of a study with the published gains and lists the differences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lkm_tune.app.errors import user_errors
from lkm_tune.app.studies import Storage, StudyLike, storage_path, stored_study
from lkm_tune.files import write_text
from lkm_tune.models import NODE_MODELS, is_own, model_settings
from lkm_tune.study import RunConfig, Study, TrialSpec
from lkm_tune.transfer.report.paper import against_paper
from lkm_tune.transfer.report.report import TransferReport
from lkm_tune.transfer.wording import percent, span

UNKNOWN = (
    "networks, molecules and seeds of the published figures, the choice of their γ, and whether "
    "their intervals contain zero: the paper's text was not available",
    "distance and reduction of the published mixing term, and the scale of its prediction loss: "
    "equal γ may have another effect here",
)
"""Unknown facts that limit the comparison, in words."""


@dataclass(frozen=True)
class Protocol:
    """The probable training of the published networks.

    It is inferred from an earlier public repository of the same authors; the paper's training is
    not known.
    """

    n_train: int
    n_val: int
    epochs: int
    batch_size: int
    warmup_steps: int
    lr: float = 5e-4
    ema_decay: float = 0.999


PROTOCOLS: Mapping[str, Protocol] = {
    "qm9": Protocol(110_000, 10_000, 150, 32, 3000),
    "md17": Protocol(1000, 1000, 2000, 8, 1000),
    "rmd17": Protocol(1000, 1000, 2000, 8, 1000),
}


def compare_with_paper(
    report: TransferReport, study: StudyLike, storage: Storage = "lkm-runs"
) -> Path:
    """Compares the gains of a study with the published gains.

    Args:
        report: the report of the study, from `make_report`.
        study: the study.
        storage: its storage folder.

    Returns:
        The path of `against_paper.md` in the report's folder, which also has `against_paper.csv`.

    Raises:
        LkmTuneError: if the study has not run in the storage folder.
    """
    with user_errors():
        kept, folder = stored_study(storage_path(storage), study)
    table = against_paper(report)
    write_text(folder.report / "against_paper.csv", table.to_csv(index=False))
    return write_text(folder.report / "against_paper.md", _page(table, kept))


def _page(table: Any, study: Study) -> str:
    lines = [
        f"# {study.name} against the paper (arXiv:2510.20236)",
        "",
        "Gains are fractions of the error at γ = 0, with 95 % intervals over seeds. γ is chosen on "
        "all seeds but one and judged on that seed.",
        "",
        "| published | | cell | ours | interval | |",
        "|---|---|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        cell = f"{row['model']} on {row['task']}, depth {row['depth']}, {row['n_train']:,} samples"
        lines.append(
            f"| {row['claim']} | {percent(row['published'])} | {cell} | {percent(row['ours'])} | "
            f"{span(row['low'], row['high'])} | {row['agreement']} |"
        )
    if table.empty:
        lines.append("| no published figure concerns a cell of this study | | | | | |")
    lines += ["", "Known differences from the published set-up:", ""]
    lines += [f"- {text}" for text in dict.fromkeys(_differences(study))]
    lines += ["", "Unknown:", "", *(f"- {text}" for text in UNKNOWN)]
    return "\n".join(lines) + "\n"


def _differences(study: Study) -> Iterator[str]:
    for cell in study.cells:
        settings = {"gamma": 0.0}
        config = study.run_config(
            TrialSpec(study.name, cell, "curve", 0, settings, 1, study.training.epochs)
        )
        if is_own(cell.model) or cell.model in NODE_MODELS:
            yield f"{cell.model}: not one of the paper's networks (DimeNet++, MXMNet, PAMNet)"
        else:
            for name, value in config.model_settings.items():
                usual = model_settings(cell.model)[name]
                if value != usual:
                    yield f"{cell.model}: {name} {_shown(value)} instead of {_shown(usual)}"
        yield from _training(cell.task, config)
    for name in ("distance", "reduction", "teacher", "mixing"):
        if name in study.space or name in study.compare:
            yield f"lkm.{name} is not the same for all trials"
    if study.lkm.mixing != "uniform":
        yield f"mixing is {study.lkm.mixing}; in the paper it is the mean of all layers"
    searched = sorted(study.space.keys() - {"gamma"})
    if searched:
        yield (
            f"the search varies {', '.join(searched)} and γ; the curves use the best settings; "
            "the published settings are those of the networks' authors"
        )


def _training(task: str, config: RunConfig) -> Iterator[str]:
    dataset = task.partition("/")[0]
    if dataset == "rmd17":
        yield "rmd17: the revised energies and forces; the paper's version of MD17 is not known"
    if dataset == "chignolin":
        yield "chignolin: the published split and training are not known"
    if config.data.source == "sample":
        yield f"{dataset}: the 3,000 molecules of the package instead of the whole set"
    protocol = PROTOCOLS.get(dataset)
    if protocol is None:
        return
    plan = config.training
    steps = plan.warmup_epochs * (config.data.n_train or 0) / plan.batch_size
    ours = {
        "training samples": (config.data.n_train, protocol.n_train),
        "validation samples": (config.data.n_val, protocol.n_val),
        "epochs": (plan.epochs, protocol.epochs),
        "batch size": (plan.batch_size, protocol.batch_size),
        "learning rate": (plan.lr, protocol.lr),
        "EMA": (plan.ema_decay, protocol.ema_decay),
        "warmup steps": (round(steps), protocol.warmup_steps),
    }
    for name, (value, published) in ours.items():
        if value is not None and value != published:
            yield f"{task}: {name} {_shown(value)} instead of {_shown(published)} (inferred)"


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
