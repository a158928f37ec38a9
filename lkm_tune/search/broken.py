"""Why an attempt broke, by the type of its error; by its text where the type does not say."""

import errno
from traceback import format_exception_only

import torch
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    LocalRayletDiedError,
    NodeDiedError,
    OutOfDiskError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from lkm_tune.ledger.failure import Cause, CodeError, Failure, StorageError, shortened

UNWRITABLE = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO, errno.ESTALE)
"""Of an `OSError`: the disk cannot be written, or an NFS server has lost the folder."""

_TYPES: tuple[tuple[Cause, tuple[type[BaseException], ...]], ...] = (
    ("code", (CodeError,)),
    ("storage", (StorageError, OutOfDiskError)),
    ("memory", (MemoryError, torch.OutOfMemoryError, OutOfMemoryError)),
    ("node", (NodeDiedError, LocalRayletDiedError, ActorUnavailableError)),
    ("killed", (WorkerCrashedError,)),
)

# Errors whose type says less than their text.
_OF_RUNTIME: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    ("code", ("failed to import on the worker",)),  # Ray's, of an actor that it cannot make
    (
        "memory",
        (
            "DefaultCPUAllocator:",  # torch's on a CPU
            "CUDA out of memory",
            "CUDA error: out of memory",
            "CUBLAS_STATUS_ALLOC_FAILED",
            "CUDNN_STATUS_ALLOC_FAILED",
        ),
    ),
)
_OF_DEATH: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    ("memory", ("running low on memory",)),  # Ray's monitor of a node's memory killed it
    ("node", ("node has died", "node was terminated", "node was preempted")),
)


def failure_of(error: BaseException, epoch: int) -> Failure:
    """The broken attempt that an error ended.

    Args:
        error: as Ray hands it to the driver.
        epoch: the last epoch that the attempt had reported.
    """
    # Ray's errors hold the traceback of the worker, which ends with the name of the type.
    text = str(error) if isinstance(error, RayError) else "".join(format_exception_only(error))
    return Failure(_cause(error), shortened(text), epoch)


def is_unwritable(error: BaseException | None) -> bool:
    """Whether an error says that a disk cannot be written."""
    return isinstance(error, OSError) and error.errno in UNWRITABLE


def _cause(error: BaseException) -> Cause:
    own = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(own, RayTaskError) and own is not error:
        return _cause(own)
    if is_unwritable(own):
        return "storage"
    if isinstance(own, OSError) and own.errno == errno.ENOMEM:
        return "memory"
    for cause, types in _TYPES:
        if isinstance(own, types):
            return cause
    if isinstance(own, ActorDiedError):
        if own.actor_init_failed:
            # All that is left of the error is the text; its last line says what it was.
            return _by_text(str(own).strip().splitlines()[-1], _OF_RUNTIME) or "own"
        return "node" if own.preempted else _by_text(str(own), _OF_DEATH) or "killed"
    if isinstance(own, RuntimeError):
        return _by_text(str(own), _OF_RUNTIME) or "own"
    return "own"


def _by_text(text: str, marks: tuple[tuple[Cause, tuple[str, ...]], ...]) -> Cause | None:
    return next((cause for cause, words in marks if any(word in text for word in words)), None)
