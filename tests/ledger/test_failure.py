"""Why an attempt broke, and what follows: tables."""

import pytest

from lkm_tune.ledger.failure import Failure, explain, failure_from, judge

KILLED = """Failure # 1 (occurred at 2026-11-22_12-00-00)
The actor died unexpectedly before finishing this task.
Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a connection
error code 2. End of file. Some common causes include: (1) the process was killed by SIGKILL by
OOM killer due to high memory usage. (2) ray stop --force is called."""


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("ValueError: depth must be above 1", "own"),
        ("The actor died because of an error raised in its creation task\nKeyError: 3", "own"),
        ("MemoryError: Unable to allocate 7 TiB", "memory"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory", "memory"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "memory"),
        ("Task was killed due to the node running low on memory.", "memory"),
        (KILLED, "killed"),  # perhaps for its memory, but it does not say so
        ("The actor died because its node has died. Node Id: 3f", "node"),
        ("The actor 3f is unavailable: The actor is temporarily unavailable: RpcError", "node"),
        ("OSError: [Errno 28] a.pt could not be written: No space left on device", "storage"),
        ("NodeError: has another state of lkm-tune (ab) than the driver's (cd)", "code"),
        ("The actor with name A failed to import on the worker.\nAttributeError: b", "code"),
        ("OSError: [Errno 30] Read-only file system: 'a'", "storage"),
    ],
)
def test_cause(text, cause):
    assert failure_from(text, 3).cause == cause


@pytest.mark.parametrize(
    ("causes", "verdict"),
    [
        ("own", "again"),
        ("own own", "again"),
        ("own own own", "failed"),
        ("own node own killed@1 node", "again"),
        ("memory", "alone"),
        ("memory node", "alone"),
        ("memory memory", "infeasible"),
        ("node node node node node", "again"),
        ("killed@1", "again"),
        ("killed@1 killed@1", "alone"),
        ("killed@1 killed@1 killed@1", "infeasible"),
        ("killed@1 killed@2 killed@3 killed@4", "again"),  # it gets on in between
    ],
)
def test_what_follows(causes, verdict):
    failures = []
    for word in causes.split():
        cause, _, epoch = word.partition("@")
        failures.append(Failure(cause, "", int(epoch or 0)))
    assert judge(failures) == verdict


def test_a_guess_is_called_a_guess():
    refused = [Failure("memory", "MemoryError", 1)] * 2
    assert explain(refused).startswith("out of memory, ")
    killed = [Failure("killed", "The actor died unexpectedly", 1)] * 3
    assert "killed 3 times in epoch 2" in explain(killed)
    assert "A guess: " in explain(killed)
    assert explain([Failure("own", "KeyError: 3", 1)] * 3) == "KeyError: 3"


def test_the_last_lines_of_an_error_are_kept():
    text = "\n".join(f"line {number}" for number in range(100))
    assert failure_from(text, 0).reason.splitlines() == [f"line {n}" for n in range(92, 100)]
