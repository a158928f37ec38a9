"""Errors of MLflow in words that hold no password."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from lkm_tune.masking import masked
from lkm_tune.tracking.delivery import RefusedError, UnreachableError

FAILURES = (MlflowException, SQLAlchemyError, OSError, ImportError)
"""What MLflow raises where its server or database does not do what it is asked."""

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
    """The same error as one of delivery; `RefusedError` where a server wants other credentials."""
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
    """Turns what MLflow raises into a `ConnectionError`.

    Args:
        doing: what cannot be done then, as "the runs in MLflow cannot be read".
    """
    try:
        yield
    except FAILURES as error:
        raise ConnectionError(f"{doing}: {unreachable(error)}") from error
