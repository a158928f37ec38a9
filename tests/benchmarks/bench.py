"""`make bench`: costs of the models, as ratios to a baseline in the same run.

The two sides of a comparison take turns, and medians are quoted. Everything runs on one thread.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from plain_dimenet import PlainDimeNetPlusPlus
from plain_multiplex import PlainMXMNet, PlainPAMNet
from torch.utils.flop_counter import FlopCounterMode

from lkm_tune.datasets import load_task
from lkm_tune.lkm import layer_mixing_loss
from lkm_tune.models import build_model
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import ArrayRun, TrainingRun
from lkm_tune.training.array_run import array_pays
from lkm_tune.training.examine import epoch_figures

PLAIN = {"dimenet++": PlainDimeNetPlusPlus, "mxmnet": PlainMXMNet, "pamnet": PlainPAMNet}
REPEATS = 7
MOLECULES = 32
GAMMA = 0.1


def real_batch():
    """Random molecules of the sample; its first molecules are smaller than most."""
    data = load_task("qm9/U0", DataPlan("sample", 1000, 100, 100), seed=0, cutoff=5.0)
    return data.batch(np.random.default_rng(0).choice(data.split.train, MOLECULES, replace=False))


def training_step(model, gamma=GAMMA, plain=False) -> Callable[[], None]:
    batch, target = real_batch()
    # Output maps that start at zero would hide work: give every weight a gradient.
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05) if not parameter.any() else None
    # The published trainings use torch's default Adam; lkm-tune uses the fused Adam.
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=not plain)

    def step() -> None:
        output = model(batch)
        loss = torch.nn.functional.l1_loss(output.prediction.view_as(target), target)
        if gamma:
            loss = loss + gamma * layer_mixing_loss(output.layers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def take_turns(*sides: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    times: list[list[float]] = [[] for _ in sides]
    for side in sides:
        side()
    for _ in range(repeats):
        for side, taken in zip(sides, times, strict=True):
            start = time.perf_counter()
            side()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


def steps() -> Iterator[tuple[object, ...]]:
    yield "model", "plain s", "ours s", "plain / ours", "floor s", "ours / floor"
    for name, plain in PLAIN.items():
        ours = training_step(build_model(name))
        slow, fast, products = take_turns(training_step(plain(), plain=True), ours, common_products)
        with FlopCounterMode(display=False) as counter:
            ours()
        # The speed of a virtual machine changes within minutes, so the products take turns, too.
        floor = counter.get_total_flops() / (COMMON_FLOPS / products)
        yield name, slow, fast, slow / fast, floor, fast / floor


A, B = torch.randn(4500, 128), torch.randn(128, 128)
"""The factors of the most common product."""
COMMON_FLOPS = 50 * 2 * A.shape[0] * B.shape[0] * B.shape[1]


def common_products() -> None:
    for _ in range(50):
        A @ B


def peak(side: str, name: str) -> float:
    """GB that training steps add to a separate process."""
    command = [sys.executable, __file__, "--peak", side, name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure_peak(side: str, name: str) -> None:
    real_batch()
    before = kilobytes("VmRSS")
    step = training_step(build_model(name) if side == "ours" else PLAIN[name]())
    for _ in range(3):
        step()
    print((kilobytes("VmHWM") - before) / 2**20)


def kilobytes(field: str) -> int:
    """Peak memory of this process; the peak of getrusage would include the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def memory() -> Iterator[tuple[object, ...]]:
    yield "model", "plain GB", "ours GB", "plain / ours"
    for name in PLAIN:
        plain, ours = peak("plain", name), peak("ours", name)
        yield name, plain, ours, plain / ours


def builds() -> Iterator[tuple[object, ...]]:
    yield "model", "build s"
    for name in PLAIN:
        (seconds,) = take_turns(partial(build_model, name))
        yield name, seconds


def mix(layers: list[torch.Tensor]) -> None:
    layer_mixing_loss(layers).backward()


def mixing() -> Iterator[tuple[object, ...]]:
    """The term alone, forward and backward, on layers of a training step."""
    yield "model", "step s", "L_KD s", "share of a step"
    for name in PLAIN:
        model = build_model(name, depth=6)
        batch, _ = real_batch()
        with torch.no_grad():
            layers = [layer.clone().requires_grad_() for layer in model(batch).layers]
        step, term = take_turns(training_step(model, gamma=0.0), partial(mix, layers))
        yield name, step, term, term / step


def batches() -> Iterator[tuple[object, ...]]:
    from torch_geometric.data import Data
    from torch_geometric.loader import DataLoader

    data = load_task("qm9/U0", DataPlan("auto", 1000, 100, 100), seed=0, cutoff=5.0)
    chosen = np.random.default_rng(0).permutation(len(data.store))[:20000]
    parts = [data.store.batch([i]) for i in chosen]
    molecules = [Data(z=b.z, pos=b.pos, edge_index=b.edge_index) for b in parts]
    loader = DataLoader(molecules, batch_size=MOLECULES, num_workers=1)

    def theirs() -> None:
        for _ in loader:
            pass

    def ours() -> None:
        for begin in range(0, len(chosen), MOLECULES):
            data.store.batch(chosen[begin : begin + MOLECULES])

    yield "molecules", "DataLoader 1/s", "store 1/s", "store / DataLoader"
    slow, fast = take_turns(theirs, ours, repeats=3)
    yield f"{len(chosen)} of {len(data.store)}", len(chosen) / slow, len(chosen) / fast, slow / fast


def looks() -> Iterator[tuple[object, ...]]:
    """The cost of `curve.diagnostics` in an epoch of PAMNet on 1,000 molecules."""
    for hidden in (32, 128):
        config = RunConfig(
            model="pamnet",
            task="qm9/homo",
            model_settings={"hidden": hidden, "depth": 3},
            data=DataPlan("sample", 1000, 100, 100),
            training=TrainingPlan(epochs=8),
            gamma=GAMMA,
        )
        run = TrainingRun(config)
        epochs, looked = [], []
        for epoch in run.epochs():
            begun = time.perf_counter()
            if epoch_figures(run):
                looked.append(time.perf_counter() - begun)
            epochs.append(epoch.seconds)
        look = statistics.median(looked) / statistics.median(epochs)
        # 32 steps per epoch: every fourth epoch has a measurement.
        yield f"hidden {hidden}", f"a look {look:.1%}", f"over all epochs {look / 4:.1%}"


CURVE = (0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)


def curves() -> Iterator[tuple[object, ...]]:
    """The processor time of an epoch of all points of a curve, as arrays and one by one."""
    yield (
        "model",
        "one by one s",
        "arrays s",
        "arrays / one by one",
        "`resources.array: auto` takes",
    )
    for name in ("gcn", "gat", "gin", "pamnet", "mxmnet"):
        seeds = [[curve_config(name, gamma, seed) for gamma in CURVE] for seed in (1, 2, 3)]
        single, array = map(sum, zip(*map(epoch_of_points, seeds), strict=True))
        chosen = "arrays" if array_pays(seeds[0][0], "cpu") else "one by one"
        yield name, single, array, array / single, chosen


def curve_config(name: str, gamma: float, seed: int) -> RunConfig:
    return RunConfig(
        model=name,
        task="qm9/homo",
        model_settings={"hidden": 16},
        data=DataPlan("sample", 300, 100, 100),
        training=TrainingPlan(epochs=4),
        gamma=gamma,
        seed=seed,
    )


def epoch_of_points(configs: list[RunConfig]) -> tuple[float, float]:
    """Processor seconds of the points of one seed, one by one and as an array: the best of 3."""
    singles = [run.epochs() for run in map(TrainingRun, configs)]
    array = ArrayRun([TrainingRun(config) for config in configs]).epochs()
    times = []
    for _ in range(4):
        begun = time.process_time()
        for epochs in singles:
            next(epochs)
        between = time.process_time()
        next(array)
        times.append((between - begun, time.process_time() - between))
    single, together = zip(*times[1:], strict=True)
    return min(single), min(together)


def show(title: str, rows: Iterator[tuple[object, ...]]) -> None:
    print(f"\n{title}\n", flush=True)
    for number, row in enumerate(rows):
        cells = [f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row]
        print("| " + " | ".join(cells) + " |", flush=True)
        if number == 0:
            print("|" + "---|" * len(cells))


def main() -> None:
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, one thread; ")
    (products,) = take_turns(common_products)
    print(f"torch {torch.__version__}; matrix products {COMMON_FLOPS / products / 1e9:.0f} GFLOP/s")
    batch, _ = real_batch()
    sizes = f"{batch.n_atoms} atoms, {batch.edge_index.shape[1]} edges within 5 Å"
    show(f"A step at published size, {MOLECULES} QM9 molecules ({sizes}), γ = {GAMMA}", steps())
    show("Peak memory of training over that of the start", memory())
    show("Building a model at published size", builds())
    show("The mixing term, forward and backward, at depth 6", mixing())
    show(f"Batches of {MOLECULES} molecules with radius edges", batches())
    sizes = "8 γ × 3 seeds, width 16, 300 molecules"
    show(f"Processor time of an epoch of the curve of a cell ({sizes})", curves())
    show("What `curve.diagnostics` adds to an epoch of PAMNet on 1,000 molecules", looks())


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--peak"]:
        measure_peak(*sys.argv[2:])
    else:
        main()
