"""The cause of a broken attempt, by the type of its error, or by its text as a last resort."""

import errno
import re
from dataclasses import replace
from traceback import format_exception, format_exception_only

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

from lkm_tune.datasets import DataError
from lkm_tune.ledger.failure import Cause, CodeError, Failure, StorageError, shortened
from lkm_tune.training import ArrayError

UNWRITABLE = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO, errno.ESTALE)
"""Numbers of an `OSError`: the disk is not writable, or an NFS server has lost the folder."""

_TYPES: tuple[tuple[Cause, tuple[type[BaseException], ...]], ...] = (
    ("code", (CodeError,)),
    ("array", (ArrayError,)),
    ("storage", (StorageError, OutOfDiskError)),
    ("memory", (MemoryError, torch.OutOfMemoryError, OutOfMemoryError)),
    ("node", (NodeDiedError, LocalRayletDiedError, ActorUnavailableError)),
    ("killed", (WorkerCrashedError,)),
)

# Errors at the start of a trial that can be the node's: its files, its network, its packages. The
# driver has opened the same data; settings that a network refuses raise other errors.
_OF_NODE = (OSError, DataError, ImportError)

# Errors of a broken, lost or busy GPU, from CUDA's table of errors, and of a torch without CUDA. A
# launch that fails without a reason is the GPU's; an illegal address or a failed assertion is the
# program's.
_OF_GPU = (
    "unspecified launch failure",
    "launch timed out",
    "STATUS_EXECUTION_FAILED",  # of cuBLAS and cuDNN
    "uncorrectable ECC error",
    "GPU is lost",
    "hardware stack error",
    "busy or unavailable",
    "no CUDA-capable device",
    "CUDA driver initialization failed",
    "system not yet initialized",
    "sees no GPU on this node",  # from `LkmTrainable`
)

# From Ray, if a worker lacks a package. The error of the worker follows on further lines.
_FAILED_IMPORT = "failed to import on the worker"

# Errors whose text is more specific than their type.
_OF_RUNTIME: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    ("code", (_FAILED_IMPORT,)),
    (
        "memory",
        (
            "DefaultCPUAllocator:",  # from torch on a CPU
            "CUDA out of memory",
            "CUDA error: out of memory",
            "CUBLAS_STATUS_ALLOC_FAILED",
            "CUDNN_STATUS_ALLOC_FAILED",
            "CUSPARSE_STATUS_ALLOC_FAILED",
        ),
    ),
    ("machine", _OF_GPU),
)
_OF_DEATH: tuple[tuple[Cause, tuple[str, ...]], ...] = (
    ("memory", ("running low on memory",)),  # Ray's memory monitor killed the process
    ("node", ("node has died", "node was terminated", "node was preempted")),
)


_ADDRESS = re.compile(r"\bip=([\w.:]+)")


class BrokenAttempt(Exception):
    """An error of a trial, with its cause: the worker knows more than the driver."""

    def __init__(self, failure: Failure) -> None:
        """Takes the failure."""
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        """The reason."""
        return self.failure.reason


def failure_here(error: Exception, node: str, starting: bool) -> Failure:
    """The failure of an attempt, as its worker sees it.

    Args:
        error: the error of the trial.
        node: Ray's name of the node.
        starting: whether the attempt had not begun to train.
    """
    cause = _cause(error)
    if cause == "own" and starting and isinstance(error, _OF_NODE):
        cause = "machine"
    return Failure(cause, shortened("".join(format_exception(error))), 0, node)


def failure_of(error: BaseException, epoch: int) -> Failure:
    """The failure of an attempt that an error ended.

    Args:
        error: the error from Ray in the driver.
        epoch: the last reported epoch of the attempt.
    """
    own = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(own, BrokenAttempt):
        return replace(own.failure, epoch=epoch)
    # Ray's errors contain the worker's traceback, which ends with the name of the type.
    text = str(error) if isinstance(error, RayError) else "".join(format_exception_only(error))
    return Failure(_cause(error), shortened(text), epoch)


def address_of(error: BaseException) -> str:
    """The address of the node on which Ray could not create an actor, else ""."""
    if not (isinstance(error, ActorDiedError) and error.actor_init_failed):
        return ""
    found = _ADDRESS.search(str(error))
    return found.group(1) if found else ""


def is_unwritable(error: BaseException | None) -> bool:
    """Whether an error means that a disk is not writable."""
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
            if _FAILED_IMPORT in str(own):
                return "code"
            # Only the text of the error is left; its last line names the type.
            return _by_text(str(own).strip().splitlines()[-1], _OF_RUNTIME) or "own"
        return "node" if own.preempted else _by_text(str(own), _OF_DEATH) or "killed"
    if isinstance(own, RuntimeError):
        return _by_text(str(own), _OF_RUNTIME) or "own"
    return "own"


def _by_text(text: str, marks: tuple[tuple[Cause, tuple[str, ...]], ...]) -> Cause | None:
    return next((cause for cause, words in marks if any(word in text for word in words)), None)
