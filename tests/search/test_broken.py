"""The causes of broken attempts, by the type of the error."""

import errno

import pytest
import torch
from ray.core.generated.common_pb2 import ActorDiedErrorContext, NodeDeathInfo
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    LocalRayletDiedError,
    NodeDiedError,
    OutOfDiskError,
    OutOfMemoryError,
    RayTaskError,
    WorkerCrashedError,
)

from lkm_tune.datasets import DataError
from lkm_tune.ledger.failure import CodeError
from lkm_tune.search.broken import failure_here, failure_of
from lkm_tune.search.cluster.nodes import OtherCodeError, UnseenPlaceError
from lkm_tune.training import ArrayError

KILLED = (
    "Worker unexpectedly exits with a connection error code 2. End of file. Some common causes "
    "include: (1) the process was killed by SIGKILL by OOM killer due to high memory usage."
)


# As Ray 2.60 writes it, with the worker's error.
FAILED_IMPORT = """\
The actor with name T failed to import on the worker. This may be because needed library \
dependencies are not installed in the worker environment:

ray::T.__init__() (pid=751, ip=10.0.0.1, actor_id=42db, repr=<T object at 0x7fcd328a6e50>)
           ^^^^^^^^^^^^
ModuleNotFoundError: No module named 'torch'"""


def raised(error):
    """An error of a worker's method, as the driver receives it."""
    return RayTaskError("train", f"Traceback\n{type(error).__name__}: {error}", error)


def dual(error):
    return raised(error).as_instanceof_cause()


def died(message, preempted=False):
    context = ActorDiedErrorContext(error_message=message, actor_id=b"1" * 16)
    if preempted:
        context.node_death_info.reason = NodeDeathInfo.AUTOSCALER_DRAIN_PREEMPTED
    return ActorDiedError(context)


def after(first, second):
    """An error that was raised while another error was handled."""
    second.__context__ = first
    return second


@pytest.mark.parametrize("wrapped", [lambda error: error, raised, dual])
@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ValueError("depth must be above 1"), "own"),
        (ValueError("MemoryError and No space left on device"), "own"),
        (RuntimeError("CUDA error: device-side assert triggered"), "own"),
        (ArrayError("net cannot train in an array"), "array"),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), "own"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), "own"),
        (after(MemoryError(), KeyError("layer")), "own"),
        (after(KeyError("layer"), MemoryError()), "memory"),
        (MemoryError("Unable to allocate 7 TiB"), "memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "memory"),
        (RuntimeError("CUDA error: out of memory"), "memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
         "memory"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "memory"),
        (torch.AcceleratorError("CUDA error: out of memory"), "memory"),
        (OSError(errno.ENOSPC, "a.pt could not be written: No space left on device"), "storage"),
        (OSError(errno.EROFS, "Read-only file system"), "storage"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "storage"),
        (OSError(errno.EIO, "Input/output error"), "storage"),
        (OSError(errno.ESTALE, "Stale file handle"), "storage"),
        (UnseenPlaceError("does not see /runs of the driver's machine"), "storage"),
        (OtherCodeError("has another version of lkm-tune (ab) than the driver's (cd)"), "code"),
        (CodeError("changed"), "code"),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), "machine"),
        (RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable"), "machine"),
        (RuntimeError("CUDA error: GPU is lost"), "machine"),
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), "machine"),
        (RuntimeError("CUDA error: the launch timed out and was terminated"), "machine"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
         "machine"),
        (RuntimeError("No CUDA GPUs: no CUDA-capable device is detected"), "machine"),
        (RuntimeError("The actor with name A failed to import on the worker."), "code"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, Exception) else None,
)  # fmt: skip
def test_what_a_trial_raises(error, cause, wrapped):
    assert failure_of(wrapped(error), 3).cause == cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OutOfMemoryError("Task was killed due to the node running low on memory."), "memory"),
        (died("Task was killed due to the node running low on memory."), "memory"),
        (NodeDiedError("the node is dead"), "node"),
        (LocalRayletDiedError(), "node"),
        (ActorUnavailableError("The actor is temporarily unavailable: RpcError", None), "node"),
        (died("The actor died because its node has died. Node Id: 3f"), "node"),
        (died("it was drained", preempted=True), "node"),
        (died(KILLED), "killed"),  # perhaps killed for its memory, but there is no message
        (ActorDiedError(), "killed"),
        (WorkerCrashedError(), "killed"),
        (OutOfDiskError("the local object store is full"), "storage"),
        (ActorDiedError(raised(KeyError(3))), "own"),
        (ActorDiedError(raised(RuntimeError("A failed to import on the worker."))), "code"),
        (ActorDiedError(raised(RuntimeError(FAILED_IMPORT))), "code"),
        (ActorDiedError(raised(RuntimeError("CUDA error: out of memory"))), "memory"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_ray_says(error, cause):
    assert failure_of(error, 3).cause == cause


@pytest.mark.parametrize(
    ("error", "at_start", "later"),
    [
        # The node's own files, network and packages.
        (FileNotFoundError(errno.ENOENT, "No such file", "qm9.tar"), "machine", "own"),
        (PermissionError(errno.EACCES, "Permission denied", "cache"), "machine", "own"),
        (ConnectionError("the download failed"), "machine", "own"),
        (DataError("qm9.npz has the SHA-256 ab, but the expected SHA-256 is cd"), "machine", "own"),
        (ImportError("No module named 'mynets'"), "machine", "own"),
        (RuntimeError("the trial has 1 GPU, but torch 2.13.0 sees no GPU on this node"), "machine",
         "machine"),
        (RuntimeError("CUDA error: GPU is lost"), "machine", "machine"),
        (OSError(errno.EIO, "Input/output error"), "storage", "storage"),
        (OtherCodeError("has another version of lkm-tune (ab) than the driver's (cd)"), "code",
         "code"),
        # The settings of the trial.
        (ValueError("hidden must be a multiple of heads"), "own", "own"),
        (TypeError("net() got an unexpected keyword argument 'width'"), "own", "own"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "own", "own"),
        (RuntimeError("CUDA error: device-side assert triggered"), "own", "own"),
        (KeyError(3), "own", "own"),
        (MemoryError(), "memory", "memory"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, Exception) else None,
)  # fmt: skip
def test_what_can_be_the_nodes(error, at_start, later):
    assert failure_here(error, "A", starting=True).cause == at_start
    assert failure_here(error, "A", starting=False).cause == later


@pytest.mark.parametrize("wrapped", [lambda error: error, raised, dual])
def test_the_reason_ends_with_the_error(wrapped):
    failure = failure_of(wrapped(KeyError(3)), 7)
    assert failure.reason.splitlines()[-1] == "KeyError: 3"
    assert failure.epoch == 7
