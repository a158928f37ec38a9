"""What breaks a run off from outside, told in words: with it, how to continue."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

INTERRUPTED = 130
UNWRITABLE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE,
)  # fmt: skip


@contextmanager
def told_when_interrupted() -> Iterator[None]:
    """Ctrl-C at any moment ends with how to go on: also before trials run, and in the report."""
    try:
        yield
    except KeyboardInterrupt:
        tell_interrupted()


def tell_interrupted() -> NoReturn:
    """Says how to go on, and ends the process."""
    from lkm_tune.cli.console import say

    say("interrupted: the same command again continues")
    raise SystemExit(INTERRUPTED)


@contextmanager
def told_when_broken_off(folder: Path) -> Iterator[None]:
    """Turns what no trial is to blame for into a message without a traceback.

    Args:
        folder: of the study.
    """
    from lkm_tune.ledger.failure import CodeError, StorageError
    from lkm_tune.ledger.lock import StudyHeldError

    try:
        yield
    except StudyHeldError as error:
        raise click.ClickException(str(error)) from error
    except CodeError as error:
        raise click.ClickException(
            f"{str(error).splitlines()[-1]}\n"
            "lkm-tune was changed, here or on a node, while the study ran. What was done until "
            "then is kept: the same command again continues with the same code everywhere."
        ) from error
    except (StorageError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in UNWRITABLE:
            raise
        raise click.ClickException(
            f"{folder} cannot be written: {error}\n"
            "What was done until then is kept: the same command continues once it can be written."
        ) from error
