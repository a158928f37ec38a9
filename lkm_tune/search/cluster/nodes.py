"""What a node needs for a study: the driver's package, and the place of trials' files."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from lkm_tune.ledger.failure import CodeError, StorageError
from lkm_tune.package import package_digest
from lkm_tune.training import open_store

# The mark: a node that finds this file sees the driver's place.
MARK = "driver"


class NodeError(ValueError):
    """Nodes of the cluster cannot work on the study."""


class OtherCodeError(NodeError, CodeError):
    """A node has another version of the package than the driver's machine."""


class UnseenPlaceError(NodeError, StorageError):
    """A node does not see the files that the driver sees."""


def check_package(driver: str) -> None:
    """Compares this node's code with the driver's.

    Args:
        driver: digest of the driver's package.

    Raises:
        OtherCodeError: if the digests differ.
    """
    if driver != package_digest():
        raise OtherCodeError(
            f"has another version of lkm-tune ({package_digest()}) than the driver's machine "
            f"({driver}): run `ray up` again"
        )


@contextmanager
def marked(place: str) -> Iterator[str]:
    """A context in which a mark lies in the place of trials' files.

    Args:
        place: the folder or address of the files of trials.

    Returns:
        The mark for `check_place`.

    Raises:
        OSError: if this machine cannot write there.
    """
    store, mark = open_store(place), uuid4().hex
    store.write(MARK, mark.encode())
    try:
        yield mark
    finally:
        # A broken disk may have ended the study.
        with suppress(OSError):
            store.delete(MARK)


def check_writable(place: str) -> None:
    """Writes and deletes a file of the size of a small network's checkpoint.

    Raises:
        OSError: if this machine cannot write there.
    """
    store, name = open_store(place), f"from-the-driver-{uuid4().hex}"
    try:
        store.write(name, bytes(2**20))
    finally:
        with suppress(OSError):
            store.delete(name)


def check_place(place: str, mark: str) -> None:
    """Checks that this node sees the files of the driver.

    Raises:
        UnseenPlaceError: if the node does not see the files: its own files would be lost.
        OSError: if the place cannot be read now.
    """
    try:
        found = open_store(place).read(MARK).decode()
    except (FileNotFoundError, NotADirectoryError) as error:
        found = str(error)
    if found != mark:
        raise UnseenPlaceError(unseen(place, found))


def unseen(place: str, why: str) -> str:
    """The advice for a node that does not see a place, or cannot write there."""
    return (
        f"does not see {place} of the driver's machine ({why}): give --storage, or "
        "LKM_TUNE_STORAGE, as a folder that all nodes share, such as an NFS folder, or "
        "--checkpoints, or LKM_TUNE_CHECKPOINTS, as an address in an object store"
    )
