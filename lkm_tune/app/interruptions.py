"""Errors that end a study, in words that say how to continue it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lkm_tune.app.errors import LkmTuneError
from lkm_tune.ledger.failure import CodeError, StorageError
from lkm_tune.ledger.lock import StudyHeldError

UNWRITABLE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE,
)  # fmt: skip


@contextmanager
def named_interruptions(folder: Path) -> Iterator[None]:
    """Turns a held study, a full disk and changed code into a `LkmTuneError`.

    Args:
        folder: the folder of the study.
    """
    try:
        yield
    except StudyHeldError as error:
        raise LkmTuneError(str(error)) from error
    except CodeError as error:
        raise LkmTuneError(
            f"{str(error).splitlines()[-1]}\n"
            "the code of lkm-tune changed during the study, here or on a node. The results "
            "so far are kept: with the same code everywhere, the same command continues."
        ) from error
    except (StorageError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in UNWRITABLE:
            raise
        raise LkmTuneError(
            f"{folder} cannot be written: {error}\n"
            "The results so far are kept: the same command continues when the folder is writable."
        ) from error
