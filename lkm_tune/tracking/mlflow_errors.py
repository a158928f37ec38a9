"""Errors of MLflow in words, without passwords."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from lkm_tune.masking import masked
from lkm_tune.tracking.delivery import RefusedError, UnreachableError

FAILURES = (MlflowException, SQLAlchemyError, OSError, ImportError)
"""Errors that MLflow raises if its server or database fails."""

_CREDENTIALS = (
    "MLflow's server wants another user or password: set MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN) where the command runs"
)
_RIGHTS = (
    "MLflow's server refuses its user this: ask for the right to it, or use another experiment"
)


def brief(error: Any) -> str:
    """The first line of an error."""
    return masked(f"{type(error).__name__}: {error}".splitlines()[0])[:500]


def unreachable(error: Exception) -> UnreachableError:
    """The error as an error of delivery: `RefusedError` if a server wants other credentials."""
    status: int | None = None
    if isinstance(error, MlflowException):
        status = error.get_http_status_code()  # type: ignore[no-untyped-call]
    if status == HTTPStatus.UNAUTHORIZED:
        return RefusedError(f"{_CREDENTIALS} ({brief(error)})")
    if status == HTTPStatus.FORBIDDEN:
        return RefusedError(f"{_RIGHTS} ({brief(error)})")
    return UnreachableError(brief(error))


@contextmanager
def named_failures(doing: str) -> Iterator[None]:
    """Turns errors of MLflow into a `ConnectionError`.

    Args:
        doing: the consequence, such as "the runs in MLflow cannot be read".
    """
    try:
        yield
    except FAILURES as error:
        raise ConnectionError(f"{doing}: {unreachable(error)}") from error
