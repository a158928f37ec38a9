"""A real server on a real socket: studies are started, interrupted, continued; raw attacks."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import httpx
import psutil
import pytest
import yaml

from lkm_tune.app.studies import read_study
from lkm_tune.files import write_text
from lkm_tune.ledger.lock import hold
from lkm_tune.ledger.study_folder import StudyFolder
from lkm_tune.study import find_study, study_to_dict, study_to_file
from tests.serve.conftest import fill

STUDY = """
name: small
models: {gin: {hidden: 8}}
tasks: [qm9/homo]
data: {source: sample, n_train: 16, n_val: 8, n_test: 8}
search: {trials: 0, max_concurrent: 1}
curve: {gammas: [0, 0.01, 1], seeds: [1, 2]}
training: {epochs: 2, batch_size: 16}
"""


class Server:
    """`lkm-tune serve` in a process of its own."""

    def __init__(self, folder, *options):
        self.folder, self.options = folder, options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    def start(self):
        begun = time.monotonic()
        self.log = (self.folder / "serve.log").open("ab")
        command = [sys.executable, "-m", "lkm_tune.cli", "serve", "--port", str(self.port)]
        command += ["--token-file", str(self.folder / "token"), *self.options]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=self.log, stderr=self.log, start_new_session=True
        )
        while True:
            assert self.process.poll() is None, (self.folder / "serve.log").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        self.took = time.monotonic() - begun
        token = (self.folder / "token").read_text().strip()
        self.headers = {"authorization": f"Bearer {token}"}
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.log.close()

    def ask(self, method, path, **more):
        return httpx.request(method, self.url + path, headers=self.headers, timeout=60, **more)

    def state(self, name):
        return self.ask("GET", f"/api/v1/studies/{name}").json().get("state", "")

    def wait(self, name, state, seconds=500):
        # Ray needs minutes to start on a machine with much other work.
        end = time.monotonic() + seconds
        while not re.search(state, found := self.state(name)):
            assert time.monotonic() < end, found
            time.sleep(0.2)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = Server(tmp_path_factory.mktemp("serve"))
    yield found
    found.stop()


def test_the_start_loads_nothing_heavy(server):
    """docs/service.md has the time of a start."""
    heavy = ("torch", "ray", "mlflow", "optuna")
    loaded = {path.path for path in psutil.Process(server.process.pid).memory_maps()}
    for name in heavy:
        assert not [path for path in loaded if f"/site-packages/{name}/" in path]


def test_errors_come_beside_their_lines(server):
    text = STUDY.replace("hidden: 8", "hiden: 8").replace("epochs: 2", "epochs: none")
    for path in ("/api/v1/studies", "/api/v1/check"):
        answer = server.ask("POST", path, content=text)
        assert answer.status_code == 422
        found = [(one["line"], one["key"]) for one in answer.json()["errors"]]
        assert found == [(3, "models.gin.hiden"), (8, "training.epochs")]
    assert not (server.folder / "lkm-runs").exists()


def test_a_study_from_its_post_to_its_report(server):
    plan = server.ask("POST", "/api/v1/check", content=STUDY, params={"cost": True}).json()
    assert (plan["name"], plan["cells"], plan["trials"]) == ("small", 1, 6)
    assert plan["hours"] > 0
    answer = server.ask("POST", "/api/v1/studies", content=STUDY)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == "/api/v1/studies/small"
    # A second start meets the first driver, even before that has its lock.
    assert re.fullmatch(r"starting in process \d+", server.state("small"))
    assert server.ask("POST", "/api/v1/studies", content=STUDY).status_code == 409
    server.wait("small", "running in process")
    driver = int(re.search(r"process (\d+)", server.state("small"))[1])
    # The study survives the server.
    server.stop()
    assert psutil.pid_exists(driver)
    server.start()
    assert server.ask("DELETE", "/api/v1/studies/small").status_code == 202
    assert re.match("interrupting process|not finished", server.state("small"))
    server.wait("small", "not running")
    assert server.ask("DELETE", "/api/v1/studies/small").status_code == 409
    assert "interrupted: the same command continues" in server.ask("GET", "/studies/small").text
    changed = STUDY.replace("epochs: 2", "epochs: 3")
    refused = server.ask("POST", "/api/v1/studies", content=changed)
    assert refused.status_code == 409 and "epochs" in refused.text
    assert server.ask("POST", "/api/v1/studies/small/continue").status_code == 202
    server.wait("small", "^finished")
    # All trials have ended; the driver may still write its report.
    end, path = time.monotonic() + 60, "/api/v1/studies/small/report"
    while server.ask("GET", path).status_code == 404 and time.monotonic() < end:
        time.sleep(0.2)
    found = server.ask("GET", "/api/v1/best-gamma", params={"study": "small"}).json()
    assert found["answers"][0]["study"] == "small"
    assert len(server.ask("GET", "/api/v1/studies/small/runs").json()) == 6
    for name in ("submitted.yaml", "output.log"):
        assert (server.folder / "lkm-runs/studies/small" / name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("stored", [study_to_file, study_to_dict])
def test_a_study_that_searches_a_training_setting_continues(server, stored):
    """Earlier versions stored the defaults of searched settings, too, which no file may hold."""
    folder = StudyFolder(server.folder / "lkm-runs", "elsewhere")
    folder.path.mkdir(parents=True, exist_ok=True)
    study = replace(read_study(find_study("quickstart")), name="elsewhere")
    write_text(folder.study, json.dumps(stored(study)))
    server.wait("elsewhere", "not finished, not running")
    answer = server.ask("POST", "/api/v1/studies/elsewhere/continue")
    assert answer.status_code == 202, answer.text
    assert json.loads(folder.study.read_text()) == study_to_file(study)
    assert server.ask("DELETE", "/api/v1/studies/elsewhere").status_code == 202
    server.wait("elsewhere", "not finished, not running")


def test_a_driver_is_interrupted_while_it_starts(server):
    text = STUDY.replace("name: small", "name: early")
    driver = server.ask("POST", "/api/v1/studies", content=text).json()["driver"]
    assert server.state("early") == f"starting in {driver}"
    answer = server.ask("DELETE", "/api/v1/studies/early")
    assert (answer.status_code, answer.json()["driver"]) == (202, driver)
    assert server.state("early") in (f"interrupting {driver}", "has not begun")
    server.wait("early", "has not begun")
    told = server.ask("GET", "/api/v1/studies/early").json()
    assert "Traceback" not in told["last_lines"]
    assert not psutil.pid_exists(int(driver.split()[1]))


def test_a_driver_that_refuses_its_data_has_failed_to_start(server):
    text = STUDY.replace("name: small", "name: large").replace("n_train: 16", "n_train: 100000")
    checked = server.ask("POST", "/api/v1/check", content=text, params={"cost": True}).json()
    assert "100" in checked["no_estimate"], checked
    assert server.ask("POST", "/api/v1/studies", content=text).status_code == 201
    server.wait("large", "^failed to start: .*100,?000")
    listed = {one["name"]: one["state"] for one in server.ask("GET", "/api/v1/studies").json()}
    assert listed["large"] == server.state("large")
    assert "Failed to start: " in server.ask("GET", "/").text


def test_a_driver_with_the_lock_and_no_study_yet_is_starting(server):
    folder = StudyFolder(server.folder / "lkm-runs", "locked")
    folder.path.mkdir(parents=True)
    folder.submitted.write_text(STUDY)
    folder.output.write_text("Traceback (most recent call last):\nKeyboardInterrupt\n")
    server.wait("locked", "has not begun")
    told = server.ask("GET", "/api/v1/studies/locked").json()
    assert told["last_lines"] == "interrupted while it started"
    with hold(folder.lock):
        server.wait(
            "locked", rf"^starting in process {os.getpid()} on \S+ since [\d-]+ [\d:]+ UTC$"
        )


def test_interrupting_kills_no_stranger(server):
    """A driver elsewhere, or a note that names another process, is left alone."""
    storage = server.folder / "lkm-runs"
    _, folder, _ = fill(storage, "held", models=("gin",), tasks=("qm9/homo",), done=1)
    with subprocess.Popen(["sleep", "60"]) as stranger, hold(folder.lock):
        note = folder.lock.with_suffix(".json")
        told = note.read_text()
        note.write_text(told.replace(str(os.getpid()), str(stranger.pid)))
        server.wait("held", "running in process")
        assert server.ask("DELETE", "/api/v1/studies/held").status_code == 409
        note.write_text(told.replace(socket.gethostname(), "elsewhere"))
        assert server.ask("DELETE", "/api/v1/studies/held").status_code == 409
        assert stranger.poll() is None
        stranger.terminate()


def test_a_taken_port_and_a_foreign_address(server):
    for host, said in (("127.0.0.1", "in use"), ("192.0.2.1", "assign")):
        done = subprocess.run(
            [sys.executable, "-m", "lkm_tune.cli", "serve", "--host", host]
            + ["--port", str(server.port), "--token-file", str(server.folder / "token")],
            capture_output=True, text=True, timeout=60, cwd=server.folder,
        )  # fmt: skip
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.startswith(f"Error: the server cannot listen on {host}:{server.port}: ")
        assert said in done.stderr


def test_the_start_line_names_the_option_for_other_machines(tmp_path):
    found = Server(tmp_path, "--host", "0.0.0.0")
    try:
        said = (tmp_path / "serve.log").read_text()
        assert f"http://localhost:{found.port}/ shows" in said and "0.0.0.0" not in said
        assert "--allow-host NAME" in said
    finally:
        found.stop()


def test_each_error_comes_once(server):
    text = STUDY.replace("models: {gin: {hidden: 8}}", "models: [gin, gcn]")
    text = text.replace("qm9/homo", "qm9/homoo")
    for source, rules in (("sample", ["unknown task"]), ("/etc", ["unknown task", "--data"])):
        answer = server.ask("POST", "/api/v1/check", content=text.replace("sample", source))
        errors = [one["detail"] for one in answer.json()["errors"]]
        assert len(errors) == len(rules), errors
        for rule in rules:
            assert len([one for one in errors if rule in one]) == 1, errors


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "must hold at most 20,000 values"),
        ("[" * 5000, "nested"),
        (STUDY.replace("gin:", '"os:system":'), "--allow-own-models"),
        (STUDY.replace("gin:", '"evil_net:net":'), "--allow-own-models"),
        (STUDY.replace("sample", "/etc/passwd"), "--data"),
        (STUDY.replace("sample", "../../etc/passwd"), "--data"),
        (STUDY.replace("qm9/homo", '"file:/etc/passwd"'), "--data"),
        (STUDY.replace("[qm9/homo]", "{qm9/homo: {source: /etc/passwd}}"), "--data"),
        (STUDY.replace("name: small", "name: ../../evil"), "must begin with a letter or digit"),
        (STUDY.replace("name: small", "name: <script>alert(1)</script>"), "must begin with"),
        (STUDY.replace("qm9/homo", "<script>alert(1)</script>"), "unknown task"),
        (STUDY + "x: !!python/object/apply:os.system [id]\n", "cannot be read as"),
        ("name: \x00", "is not valid YAML"),
        ("", "must be a mapping"),
    ],
)
def test_a_sent_study_reaches_nothing(server, text, said):
    (server.folder / "evil_net.py").write_text("open('ran', 'w').close()\n")
    answer = server.ask("POST", "/api/v1/studies", content=text)
    assert answer.status_code == 422, answer.text
    assert said in answer.text
    assert not (server.folder / "ran").exists()
    assert not list(server.folder.parent.glob("evil*"))


def test_what_the_server_was_started_with(tmp_path):
    """Own models and files are used where the options allow them, and no link leads out."""
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "out").symlink_to("/etc")
    (tmp_path / "given" / "mine.csv").write_text("smiles,y\nC,1\nCC,2\n")
    (tmp_path / "mynet.py").write_text("def net(width: int = 4):\n    raise ValueError('ran')\n")
    found = Server(tmp_path, "--data", "given", "--allow-own-models")
    try:
        own = STUDY.replace("gin: {hidden: 8}", '"mynet:net": {}')
        assert "ran" in found.ask("POST", "/api/v1/check", content=own).text
        for path, said in (("given/mine.csv", ""), ("given/out/passwd", "--data")):
            study = yaml.safe_load(STUDY)
            study["tasks"] = [f"file:{path}"]
            study["data"] |= {"source": None, "target": "y"}
            answer = found.ask("POST", "/api/v1/check", content=yaml.safe_dump(study))
            assert ("--data" in answer.text) == bool(said), answer.text
            assert answer.status_code == (422 if said else 200)
    finally:
        found.stop()


def raw(server, data, seconds=40):
    """What the server answers to these bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), seconds) as there:
        there.sendall(data)
        parts = []
        while part := there.recv(65536):
            parts.append(part)
            if b"\r\n\r\n" in b"".join(parts) and b"connection: close" not in b"".join(parts):
                break
    return b"".join(parts)


@pytest.mark.parametrize(
    "path",
    [
        *("/studies/../../etc/passwd", "/../x", "/static/../doors.py", "//etc", "/%00"),
        "/studies/small/report/../study.json",
    ],
)
def test_raw_paths(server, path):
    answer = raw(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answer.split()[1] == b"404", answer


def test_a_hundred_megabytes(server):
    def body():
        for _ in range(1600):
            yield b"x" * 65536
            sent.append(65536)

    before = psutil.Process(server.process.pid).memory_info().rss
    for length in ({}, {"content-length": str(1600 * 65536)}):
        sent = []
        try:
            answer = httpx.post(
                server.url + "/api/v1/studies", content=body(), headers={**server.headers, **length}
            )
            assert answer.status_code == 413
        except httpx.WriteError:
            pass  # The server has closed the connection.
        assert sum(sent) < 30_000_000
    assert psutil.Process(server.process.pid).memory_info().rss < before + 20_000_000


def test_events_tell_of_changes(server):
    storage = server.folder / "lkm-runs"
    with httpx.stream("GET", server.url + "/api/v1/events", timeout=30) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        fill(storage, "later", models=("gin",), tasks=("qm9/homo",), done=1)
        for line in events.iter_lines():
            if line.startswith("data:") and '"later"' in line and '"ended":1' in line:
                break
        else:
            raise AssertionError("no event told of the study")
    with httpx.stream(
        "GET", server.url + "/api/v1/events", params={"study": "later"}, timeout=30
    ) as events:
        for line in events.iter_lines():
            if line.startswith("data:") and '"removed"' in line:
                break
            if line.startswith("data:"):
                shutil.rmtree(storage / "studies/later")
        else:
            raise AssertionError("no event told of the removal")
