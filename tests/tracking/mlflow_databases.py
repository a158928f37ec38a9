"""Databases for MLflow: SQLite files, and databases of a PostgreSQL server of the tests."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from lkm_tune.tracking.experiments import open_client

# Debian's server programs are not on the search path.
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


class SqliteFiles:
    """Databases as files of one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.template = f"sqlite:///{folder / 'template.db'}"
        open_client(self.template)

    def copy(self, uri):
        """A database with the content of another database."""
        self.count += 1
        file = self.folder / f"{self.count}.db"
        shutil.copy(uri.removeprefix("sqlite:///"), file)
        return f"sqlite:///{file}"

    def empty(self):
        """A database with MLflow's tables, as a copy, since their creation takes seconds."""
        return self.copy(self.template)


class PostgresDatabases(SqliteFiles):
    """Databases of one server."""

    def __init__(self, port):
        self.server = f"postgresql://lkm@127.0.0.1:{port}"
        self.count = 0
        self._execute("CREATE DATABASE template")
        self.template = f"{self.server}/template"
        open_client(self.template)

    def copy(self, uri):
        self.count += 1
        old = uri.rpartition("/")[2]
        # PostgreSQL copies only databases without connections; MLflow keeps connections.
        self._execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{old}'"
        )
        self._execute(f"CREATE DATABASE copy{self.count} TEMPLATE {old}")
        return f"{self.server}/copy{self.count}"

    def _execute(self, sql):
        connection = psycopg.connect(f"{self.server}/postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
        connection.close()


@contextmanager
def open_databases(kind, folder):
    """Databases of a kind, `sqlite` or `postgres`; those of SQLite lie in the folder."""
    if kind == "sqlite":
        yield SqliteFiles(folder)
    elif not POSTGRES:
        pytest.skip("needs Debian's postgresql")
    else:
        with postgres() as port:
            yield PostgresDatabases(port)


@contextmanager
def postgres():
    """The port of a PostgreSQL that belongs to a user without rights and ends with the block."""
    user = {"user": "nobody", "group": "nogroup"} if os.getuid() == 0 else {}
    programs = POSTGRES[-1].parent
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        if user:
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        data, port = f"{folder}/data", free_port()
        make = [programs / "initdb", "-D", data, "-U", "lkm", "-A", "trust", "--no-sync"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)
        options = {"fsync": "off", "max_connections": 500, "listen_addresses": "127.0.0.1"}
        command = [programs / "postgres", "-D", data, "-p", str(port), "-k", folder]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(command, cwd="/", **quiet, **user)
        try:
            wait_until_ready(server, port)
            yield port
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)


def wait_until_ready(server, port):
    for _ in range(300):
        assert server.poll() is None, "PostgreSQL ended"
        try:
            psycopg.connect(f"postgresql://lkm@127.0.0.1:{port}/postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError("PostgreSQL did not start")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
