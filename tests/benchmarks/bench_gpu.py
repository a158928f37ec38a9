"""`make bench` on a GPU: steps against their floor, arrays of trials, and trials that share a GPU.

`bench_gpu.py --device cpu` runs the same code without a GPU, and `--small` small networks for a few
steps; their figures mean little.
"""

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from bench import GAMMA, MOLECULES, PLAIN, real_batch, show, take_turns
from torch.utils.flop_counter import FlopCounterMode

from lkm_tune.lkm import layer_mixing_loss
from lkm_tune.models import build_model
from lkm_tune.search.cluster.probe import CONTEXT
from lkm_tune.search.cluster.sharing import MARGIN
from lkm_tune.study import DataPlan, RunConfig, TrainingPlan
from lkm_tune.training import ArrayRun, TrainingRun

ENERGY, FORCES = "qm9/U0", "rmd17/ethanol"

STEPS = 10
SECONDS = 10.0
SMALL = {"hidden": 8, "depth": 2}
ARRAYS = (1, 4, 8, 16, 32)


def training_step(
    name: str, device: str, compiled: bool = False, small: bool = False
) -> Callable[[], None]:
    model = build_model(name, **(SMALL if small else {})).to(device)
    called = torch.compile(model, dynamic=True) if compiled else model
    batch, target = real_batch()
    batch, target = batch.to(device), target.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        output = called(batch)
        loss = torch.nn.functional.l1_loss(output.prediction.view_as(target), target)
        loss = loss + GAMMA * layer_mixing_loss(output.layers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def several(act: Callable[[], object], device: str) -> None:
    for _ in range(STEPS):
        act()
    wait(device)


def seconds(device: str, *acts: Callable[[], object]) -> list[float]:
    """The median time of each action; the actions take turns."""
    turns = take_turns(*(partial(several, act, device) for act in acts))
    return [taken / STEPS for taken in turns]


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def steps(device: str) -> Iterator[tuple[object, ...]]:
    yield "model", "eager s", "compiled s", "floor s", "eager / floor", "compiled / floor"
    a, b = torch.randn(4500, 128, device=device), torch.randn(128, 128, device=device)
    (product,) = seconds(device, lambda: a @ b)
    rate = 2 * 4500 * 128 * 128 / product
    for name in PLAIN:
        step = training_step(name, device)
        with FlopCounterMode(display=False) as counter:
            step()
        floor = counter.get_total_flops() / rate
        torch.compiler.reset()
        eager, compiled = seconds(device, step, training_step(name, device, compiled=True))
        yield name, eager, compiled, floor, eager / floor, compiled / floor


def small_steps(device: str) -> Iterator[tuple[object, ...]]:
    yield "model", "eager s"
    for name in PLAIN:
        yield name, *seconds(device, training_step(name, device, small=True))


def arrays(device: str, small: bool) -> Iterator[tuple[object, ...]]:
    """Whole steps of training: collation, copies, forces, clipping, averages and validation.

    `captured`: a CUDA graph repeats them. The last ratio is of these, to single trials without.
    """
    ratio = "trials an hour / single trials"
    yield "samples", "model", "runs", "s a step", "captured s a step", ratio, "GB"
    cases = [(ENERGY, 32, (*PLAIN, "gcn")), (FORCES, 8, tuple(PLAIN))]
    if small:
        cases = [(ENERGY, 2, ("pamnet", "gcn")), (FORCES, 2, ("pamnet",))]
    for task, batch, names in cases:
        if task == FORCES and not os.environ.get("LKM_TUNE_DATA"):
            continue
        for name in names:
            config = run_config(name, task, batch, small)
            single = math.nan
            for k in (0, *ARRAYS):
                try:
                    took = captured = whole_step(device, uncaptured(config), k)
                    if device == "cuda":
                        captured = whole_step(device, config, k)
                except torch.OutOfMemoryError:
                    break
                single = single if k else took
                gain = max(1, k) * single / captured
                runs = k or "single"
                yield f"{batch} of {task}", name, runs, took, captured, gain, peak_gb(device)


def uncaptured(config: RunConfig) -> RunConfig:
    return replace(config, training=replace(config.training, capture="off"))


def run_config(name: str, task: str, batch: int, small: bool) -> RunConfig:
    n = (2 if small else STEPS) * batch
    return RunConfig(
        model=name,
        task=task,
        model_settings=SMALL if small else {},
        data=DataPlan("sample" if task == ENERGY else None, n, batch, batch),
        training=TrainingPlan(epochs=3, batch_size=batch),
    )


def whole_step(device: str, config: RunConfig, runs: int) -> float:
    """Seconds of a step of an array of runs that differ in γ; 0 runs are a single one."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    made = [
        TrainingRun(replace(config, gamma=GAMMA * (k + 1)), device) for k in range(max(1, runs))
    ]
    epochs = ArrayRun(made).epochs() if runs > 1 else ([run] for run in made for _ in run.epochs())
    next(epochs)
    wait(device)
    begun = time.perf_counter()
    next(epochs)
    next(epochs)
    wait(device)
    return (time.perf_counter() - begun) / (2 * len(made[0].batches))


def peak_gb(device: str) -> float:
    return torch.cuda.max_memory_reserved() / 2**30 if device == "cuda" else math.nan


def sharing(device: str, most: int, small: bool) -> Iterator[tuple[object, ...]]:
    """The total speed of as many training processes as fit."""
    yield "model", "GB a trial", "trials that fit", "at once", "steps a second together"
    for name in list(PLAIN)[-1:] if small else PLAIN:
        at_once = 1
        while at_once <= most:
            rates, peaks = zip(*train_together(name, device, at_once, small), strict=True)
            fitting = math.inf
            if device == "cuda":
                whole = torch.cuda.get_device_properties(0).total_memory
                fitting = math.floor(MARGIN * whole / max(peaks))
            yield name, max(peaks) / 2**30, fitting, at_once, sum(rates)
            at_once *= 2
            if at_once > fitting:
                break


def train_together(name: str, device: str, at_once: int, small: bool) -> list[tuple[float, float]]:
    """Steps per second and bytes of each process; all processes start together."""
    command = [sys.executable, __file__, "--device", device, "--train", name]
    command += ["--small"] if small else []
    trials = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(at_once)
    ]
    for trial in trials:
        assert trial.stdout and trial.stdout.readline() == "ready\n"
    for trial in trials:
        assert trial.stdin
        trial.stdin.write("go\n")
        trial.stdin.flush()
    lines = [trial.communicate()[0] for trial in trials]
    return [(float(rate), float(peak)) for rate, peak in map(str.split, lines)]


def train(name: str, device: str, small: bool) -> None:
    """The work of one process."""
    step = training_step(name, device, small=small)
    for _ in range(3):
        step()
    wait(device)
    print("ready", flush=True)
    sys.stdin.readline()
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < (0.1 if small else SECONDS):
        step()
        wait(device)
        done += 1
    peak = torch.cuda.max_memory_reserved() + CONTEXT if device == "cuda" else math.nan
    print(done / (time.perf_counter() - start), peak)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "")
    parser.add_argument("--most", type=int, default=64, help="trials at once, at most")
    parser.add_argument("--small", action="store_true", help="small networks, nothing compiled")
    parser.add_argument("--train", metavar="MODEL", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if not asked.device:
        print("\nThere is no GPU here: nothing was measured on one.")
    elif asked.train:
        train(asked.train, asked.device, asked.small)
    else:
        where = torch.cuda.get_device_name() if asked.device == "cuda" else asked.device
        found = small_steps(asked.device) if asked.small else steps(asked.device)
        show(f"A step on {MOLECULES} QM9 molecules, {where}", found)
        show(
            f"Whole steps of trials that train as an array, {where}",
            arrays(asked.device, asked.small),
        )
        show(f"Trials that share {where}", sharing(asked.device, asked.most, asked.small))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
