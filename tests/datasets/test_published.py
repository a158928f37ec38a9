"""Downloads from a real server on this machine."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lkm_tune.datasets import DataError
from lkm_tune.datasets.download import DownloadError, Remote, checksum_of, fetch, make_once
from lkm_tune.datasets.published import Published, locate

CONTENT = bytes(range(256)) * 4096
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves CONTENT at /good, half of CONTENT at /cut, and nothing elsewhere."""
    known = Server("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            if self.path not in ("/good", "/cut"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT if self.path == "/good" else CONTENT[: len(CONTENT) // 2])

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    known.url = f"http://127.0.0.1:{http.server_port}"
    yield known
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture(autouse=True)
def no_shared_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LKM_TUNE_DATA", raising=False)


def dataset(url: str, checksum: str | None = SHA256) -> Published:
    remote = Remote(url, "set/x.npz", checksum)
    return Published("the set", "set/x.npz", "CC0", "Someone (2020)", (remote,))


def files(folder: Path) -> list[str]:
    names = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(name for name in names if not name.endswith(".lock"))


def test_auto_prefers_the_users_data_then_the_cache_then_the_publisher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
):
    public = dataset(f"{server.url}/good")
    kept = locate(public, "auto", tmp_path / "cache")
    assert kept == tmp_path / "cache" / "downloads" / "set" / "x.npz"
    assert kept.read_bytes() == CONTENT
    assert locate(public, "auto", tmp_path / "cache") == kept
    assert server.asked == ["/good"]
    own = tmp_path / "own" / "set" / "x.npz"
    own.parent.mkdir(parents=True)
    own.touch()
    monkeypatch.setenv("LKM_TUNE_DATA", str(tmp_path / "own"))
    assert locate(public, "auto", tmp_path / "cache") == own
    own.rename(own.with_name("y.npz"))
    assert locate(public, "auto", tmp_path / "cache") == kept
    alike = replace(public, alike=("set/y.npz",))
    assert locate(alike, "auto", tmp_path / "cache") == own.with_name("y.npz")


def test_a_path_is_the_file_or_a_folder_that_holds_it(tmp_path: Path):
    public = dataset("http://127.0.0.1:1/")
    file = tmp_path / "set" / "x.npz"
    file.parent.mkdir()
    file.touch()
    for path in (file, file.parent, tmp_path):
        assert locate(public, str(path)) == file
    with pytest.raises(DataError, match=r"gone does not exist; `auto` or a path"):
        locate(public, str(tmp_path / "gone"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds none of set/x\.npz, x\.npz"):
        locate(public, str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("path", "checksum", "message"),
    [
        ("/good", "sha256:" + 64 * "0", "must have the checksum sha256:000.*, but has sha256:"),
        ("/cut", SHA256, "IncompleteRead"),
        ("/cut", None, "IncompleteRead"),
        ("/gone", None, "404"),
    ],
)
def test_a_bad_download_leaves_nothing(
    tmp_path: Path, server: Server, path: str, checksum: str | None, message: str
):
    with pytest.raises(DataError, match=message):
        locate(dataset(server.url + path, checksum), "auto", tmp_path)
    assert files(tmp_path) == []


def test_without_a_network_the_error_says_what_to_put_where(tmp_path: Path):
    url = "http://127.0.0.1:1/x"  # Nothing listens there.
    with pytest.raises(DataError) as error:
        locate(dataset(url), "auto", tmp_path)
    place = tmp_path / "downloads" / "set" / "x.npz"
    for part in ("refused", f"Download {url} as {place}", "LKM_TUNE_DATA", "set/x.npz"):
        assert part in str(error.value)
    place.write_bytes(CONTENT)
    assert locate(dataset(url), "auto", tmp_path) == place


def test_a_dataset_that_nobody_serves_says_so(tmp_path: Path):
    private = replace(dataset(""), remotes=())
    with pytest.raises(DataError, match=r"no publisher serves .*Someone.*LKM_TUNE_DATA") as error:
        locate(private, "auto", tmp_path)
    assert str(tmp_path / "downloads" / "set" / "x.npz") in str(error.value)


def test_an_archive_is_unpacked_once_and_a_failure_leaves_only_the_archive(
    tmp_path: Path, server: Server
):
    unpacked = []

    def unpack(raw: list[Path], target: Path) -> None:
        unpacked.append(target)
        target.write_bytes(raw[0].read_bytes()[:10])
        if len(unpacked) == 1:
            raise OSError("no space left")

    remote = Remote(f"{server.url}/good", "set.tar", SHA256)
    public = replace(dataset(""), remotes=(remote,), unpack=unpack)
    with pytest.raises(DataError, match="no space left"):
        locate(public, "auto", tmp_path)
    assert files(tmp_path) == ["downloads/set.tar"]
    assert locate(public, "auto", tmp_path).read_bytes() == CONTENT[:10]
    assert locate(public, "auto", tmp_path).read_bytes() == CONTENT[:10]
    assert len(unpacked) == 2 and server.asked == ["/good"]


def test_a_wrong_file_put_there_by_hand_is_named_and_kept(tmp_path: Path, server: Server):
    (tmp_path / "x").write_bytes(b"an error page")
    with pytest.raises(DownloadError, match=f"the file {tmp_path / 'x'} must have the checksum"):
        fetch(Remote(f"{server.url}/good", "x", SHA256), tmp_path)
    assert server.asked == [] and (tmp_path / "x").read_bytes() == b"an error page"


def test_what_a_killed_process_left_is_no_obstacle(tmp_path: Path):
    (tmp_path / "folder.partial" / "inside").mkdir(parents=True)
    assert make_once(tmp_path / "folder", Path.mkdir)
    assert list((tmp_path / "folder").iterdir()) == []
    assert not make_once(tmp_path / "folder", Path.mkdir)


FETCH = """
import sys
from pathlib import Path
from lkm_tune.datasets.download import Remote, fetch
print(fetch(Remote(sys.argv[1], "x", sys.argv[2]), Path(sys.argv[3])))
"""


def test_two_processes_at_once_download_once(tmp_path: Path, server: Server):
    command = [sys.executable, "-c", FETCH, f"{server.url}/good", SHA256, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert {process.communicate()[0].strip() for process in both} == {str(tmp_path / "x")}
    assert [process.returncode for process in both] == [0, 0]
    assert (tmp_path / "x").read_bytes() == CONTENT and files(tmp_path) == ["x"]
    assert server.asked == ["/good"]


def test_checksums_are_the_known_ones(tmp_path: Path):
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")
    assert checksum_of(path, "md5") == "md5:b1946ac92492d2347c6235b4d2611184"
    # The output of `git hash-object` for this content.
    assert checksum_of(path, "git") == "git:ce013625030ba8dba906f756967f9e9ca394464a"
