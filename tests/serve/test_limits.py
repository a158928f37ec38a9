"""What one client or one file can take from a real server: time, memory, connections."""

import contextlib
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil

from lkm_tune.serve.cache import Studies
from tests.serve.conftest import BEARER, fill, server
from tests.serve.test_running import STUDY, Server, raw

SLOW = """
import time

def net(width: int = 4):
    open("began", "w").close()
    time.sleep(90)
"""


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_check_ends_with_its_client_and_has_little_memory(tmp_path):
    (tmp_path / "slow_net.py").write_text(SLOW)
    found = Server(tmp_path, "--allow-own-models")
    try:
        large = STUDY.replace("hidden: 8", "hidden: 65536, depth: 50")
        answer = found.ask("POST", "/api/v1/check", content=large, params={"cost": True})
        assert answer.status_code == 422 and "more than 4 GiB of memory" in answer.text
        slow = STUDY.replace("gin: {hidden: 8}", '"slow_net:net": {}')

        def children():
            return psutil.Process(found.process.pid).children()

        for path in ("/api/v1/check", "/api/v1/studies"):
            with socket.create_connection(("127.0.0.1", found.port)) as client:
                head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(slow)}\r\n"
                token = found.headers["authorization"]
                client.sendall(f"{head}Authorization: {token}\r\n\r\n{slow}".encode())
                wait_until(lambda: (tmp_path / "began").exists())
                assert len(children()) == 1
            wait_until(lambda: not children())
            (tmp_path / "began").unlink()
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(found.ask, "POST", "/api/v1/check", content=slow)
            wait_until(lambda: (tmp_path / "began").exists())
            children()[0].terminate()
            answer = waiting.result()
        assert answer.status_code == 503 and "ended from outside (Terminated)" in answer.text
    finally:
        found.stop()


def test_a_pipe_for_a_file_stops_nothing(tmp_path, monkeypatch):
    """To open a pipe would wait for its other end, for good."""
    storage = tmp_path / "lkm-runs"
    for name in ("study.json", "ledger.jsonl", "use.json", "output.log", "report/transfer.json"):
        _, folder, _ = fill(storage, name.partition(".")[0].replace("/", "-"), done=1)
        (folder.path / "report").mkdir()
        (folder.path / "submitted.yaml").write_text("x")
        (folder.path / name).unlink(missing_ok=True)
        os.mkfifo(folder.path / name)
    monkeypatch.setattr("lkm_tune.app.start_study", lambda *_, **__: "process 1")
    with server(storage) as http:
        assert http.post("/api/v1/studies", content=STUDY, headers=BEARER).status_code == 201
        told = {one["name"]: str(one) for one in http.get("/api/v1/studies").json()}
        for name in ("study", "ledger", "output"):
            assert "is a folder, a pipe or a device" in told[name]
        for name in told:
            for path in ("", "/runs", "/report"):
                assert http.get(f"/api/v1/studies/{name}{path}").status_code in (200, 404)


def test_a_reading_that_never_ends_does_not_hold_the_server(tmp_path, monkeypatch):
    go_on, asked = threading.Event(), threading.Event()
    fill(tmp_path, "hung", done=1)

    def hang(*_):
        asked.set()
        go_on.wait(60)

    monkeypatch.setattr("lkm_tune.app.study_stamp", hang)
    studies = Studies(tmp_path)
    studies.start()
    assert asked.wait(10)
    begun = time.monotonic()
    studies.look_again("hung", 0.2)
    studies.stop()
    assert time.monotonic() - begun < 10
    go_on.set()


def slow_body(server):
    """The status of a request whose body stops, and the seconds until the answer."""
    begun = time.monotonic()
    head = "POST /api/v1/check HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Authorization: {server.headers['authorization']}\r\n"
    answer = raw(server, f"{head}Content-Length: 1000\r\n\r\nname: ".encode())
    return answer.split()[1], time.monotonic() - begun


def test_half_requests_do_not_hold_a_connection(tmp_path):
    """A connection without a whole request ends in time; a connection with an answer stays."""
    found = Server(tmp_path)
    whole = b"GET /static/none HTTP/1.1\r\nHost: localhost\r\n"
    parts = {
        "nothing": b"",
        "half a line": b"GET / HT",
        "half a head": whole,
        "a half head after a request": whole + b"\r\n" + whole,
    }
    clients, pool = {}, ThreadPoolExecutor()
    try:
        begun = time.monotonic()
        body = pool.submit(slow_body, found)
        for name, part in parts.items():
            clients[name] = socket.create_connection(("127.0.0.1", found.port), 1)
            clients[name].sendall(part)
        served = socket.create_connection(("127.0.0.1", found.port), 1)
        served.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        ended = {}
        while len(ended) < len(parts) and time.monotonic() < begun + 30:
            for name in parts.keys() - ended.keys():
                try:
                    # A letter a second: never idle, never whole.
                    clients[name].sendall(b"x" if parts[name] else b"")
                    clients[name].settimeout(0.1)
                    gone = clients[name].recv(65536) == b""
                except TimeoutError:
                    gone = False
                except OSError:
                    gone = True
                if gone:
                    ended[name] = time.monotonic() - begun
            time.sleep(0.5)
        assert ended.keys() == parts.keys()
        assert all(18 < seconds < 30 for seconds in ended.values()), ended
        status, seconds = body.result()
        assert status == b"408" and seconds < 30
        assert found.ask("GET", "/api/v1/studies").status_code == 200
        time.sleep(2)
        served.settimeout(1)
        assert served.recv(65536).startswith(b"HTTP/1.1 200")
        with contextlib.suppress(TimeoutError):
            while part := served.recv(65536):
                pass
            raise AssertionError("the server closed a connection that it served")
    finally:
        for client in (*clients.values(), served):
            client.close()
        pool.shutdown()
        found.stop()
