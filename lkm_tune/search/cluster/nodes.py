"""The checks of every node of a cluster before it works on a study."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from uuid import uuid4

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lkm_tune.ledger.failure import CodeError, StorageError
from lkm_tune.package import package_digest
from lkm_tune.training import open_store
from lkm_tune.training.file_store import Folder

# A node needs this time to start a process and import the package.
PATIENCE_S = 120.0

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
        raise UnseenPlaceError(_unseen(place, found))


def check_nodes(place: str) -> None:
    """Checks that every other node has the driver's code and sees the driver's files.

    Args:
        place: the folder or address of the files of trials, which every node reads and writes.

    Raises:
        NodeError: if a node does not; the error names all such nodes and says what to do.
        OSError: if this machine cannot write there; ValueError for an object store.
    """
    here = ray.get_runtime_context().get_node_id()
    nodes = {
        node["NodeID"]: node["NodeManagerAddress"]
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"] and node["NodeID"] != here
    }
    with ExitStack() as stack:
        try:
            mark = stack.enter_context(marked(place))
        except OSError as error:
            if isinstance(open_store(place), Folder):
                raise
            raise ValueError(f"this machine cannot write to {place}: {error}") from error
        asked = {address: _ask(node, place, mark) for node, address in nodes.items()}
        troubles = [
            f"  {address}: {trouble}"
            for address, answer in asked.items()
            if (trouble := _trouble(answer))
        ]
    if troubles:
        raise NodeError("\n".join(["these nodes cannot work on the study:", *troubles]))


def _ask(node: str, place: str, mark: str) -> "ray.ObjectRef[str]":
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    asked = _look.options(num_cpus=0, scheduling_strategy=there, max_retries=0)
    answer: ray.ObjectRef[str] = asked.remote(place, mark, package_digest())
    return answer


@ray.remote
def _look(place: str, mark: str, driver: str) -> str:
    """The problem of a node; "" if there is none."""
    try:
        check_package(driver)
        check_place(place, mark)
        store = open_store(place)
        answer = f"from-a-node-{uuid4().hex}"
        store.write(answer, b"")
        store.delete(answer)
    except NodeError as error:
        return str(error)
    except OSError as error:
        return _unseen(place, str(error))
    return ""


def _unseen(place: str, why: str) -> str:
    return (
        f"does not see {place} of the driver's machine ({why}): give --storage, or "
        "LKM_TUNE_STORAGE, as a folder that all nodes share, such as an NFS folder, or "
        "--checkpoints, or LKM_TUNE_CHECKPOINTS, as an address in an object store"
    )


def _trouble(asked: "ray.ObjectRef[str]") -> str:
    try:
        return str(ray.get(asked, timeout=PATIENCE_S))
    except ray.exceptions.GetTimeoutError:
        return f"did not answer for {PATIENCE_S:g} s"
    except ray.exceptions.RayError as error:
        said = str(error).strip().splitlines()[-1]
        return f"cannot run lkm-tune ({said}): `ray up` installs it"
