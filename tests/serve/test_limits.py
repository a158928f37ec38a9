"""What one client or one file can take from a real server: time, memory, connections."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.serve.test_running import STUDY, Server

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
