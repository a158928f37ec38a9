"""Twenty readers and one writing study: no error, quick pages, flat memory.

LKM_TUNE_LOAD_SECONDS is the length of the reading, by default 10 minutes. Ten studies of 12 cells
have 10,080 runs together; an eleventh gets a run every second.
"""

import asyncio
import os
import time

import httpx
import numpy as np
import psutil
import pytest

from lkm_tune.app import make_report
from lkm_tune.ledger.lock import hold
from tests.serve.conftest import add_run, fill
from tests.serve.test_running import Server

SECONDS = float(os.environ.get("LKM_TUNE_LOAD_SECONDS", "600"))
READERS, THINKING = 20, 0.25
MODELS, TASKS = ("gin", "gcn", "pamnet"), ("qm9/homo", "qm9/mu", "qm9/gap", "qm9/Cv")
PAGES = (
    "/", "/studies/s0", "/studies/writing", "/ask?model=gin&task=qm9/homo", "/submit",
    "/api/v1/studies", "/api/v1/studies/s1", "/api/v1/best-gamma?model=gin",
)  # fmt: skip


async def read(url, end, times):
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        number = len(times)
        while time.monotonic() < end:
            path = PAGES[number % len(PAGES)]
            begun = time.perf_counter()
            answer = await client.get(path)
            times.append((path, time.perf_counter() - begun, answer.status_code))
            number += 1
            await asyncio.sleep(THINKING)


async def everything(server, storage, taken):
    study, folder, ledger = fill(storage, "writing", MODELS, TASKS, seeds=17, done=400)
    points = [(c, g, s) for c in study.cells for s in range(1, 18) for g in study.curve.gammas]
    process, rng, memory = psutil.Process(server.process.pid), np.random.default_rng(3), []
    end = time.monotonic() + SECONDS
    with hold(folder.lock):
        # The server looks for new studies once a second.
        while httpx.get(f"{server.url}/studies/writing", timeout=60).status_code == 404:
            await asyncio.sleep(0.2)
        readers = []
        for _ in range(READERS):
            readers.append(asyncio.create_task(read(server.url, end, taken)))
            await asyncio.sleep(THINKING / READERS)
        for cell, gamma, seed in points[400:]:
            if time.monotonic() > end:
                break
            await asyncio.to_thread(add_run, ledger, cell, gamma, seed, rng)
            memory.append(process.memory_info().rss)
            await asyncio.sleep(max(1.0, SECONDS / 600))
        await asyncio.gather(*readers)
    return memory


@pytest.mark.slow
@pytest.mark.timeout(int(SECONDS) + 600)
def test_twenty_readers_and_a_writing_study(tmp_path):
    storage = tmp_path / "lkm-runs"
    for number in range(10):
        fill(storage, f"s{number}", MODELS, TASKS, seeds=17, done=1020)
    make_report(storage, "s0")
    make_report(storage)
    server = Server(tmp_path)
    try:
        httpx.get(server.url, timeout=60)
        taken = []
        memory = asyncio.run(everything(server, storage, taken))
    finally:
        server.stop()
    print(f"\nready after {server.took:.2f} s; {len(taken)} requests in {SECONDS:g} s")
    for path in PAGES:
        times = sorted(1000 * t for where, t, _ in taken if where == path)
        p50, p95 = np.percentile(times, [50, 95])
        print(f"{path:32} p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  most {times[-1]:6.1f} ms")
    third = max(len(memory) // 3, 1)
    print(f"memory {max(memory[:third]) / 1e6:.0f} MB at first, {max(memory) / 1e6:.0f} MB at most")
    assert {status for _, _, status in taken} == {200}
    assert max(memory[-third:]) < 1.1 * max(memory[:third]) + 10e6
    assert np.percentile([t for _, t, _ in taken], 95) < 0.2  # 50 ms on an idle machine
