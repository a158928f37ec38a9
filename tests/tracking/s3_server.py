"""An S3 server on loopback, for tests."""

import subprocess
import sys
from contextlib import contextmanager

import pytest

# The server prints its port, and ends with its standard input.
SERVER = """
import boto3, sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
port = server.get_host_and_port()[1]
boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket="bucket")
print("port", port, flush=True)
sys.stdin.read()
"""
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def s3_server():
    """A server with the bucket `bucket`, which the environment names during the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        arguments = [sys.executable, "-W", "ignore", "-c", SERVER]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(arguments, text=True, **pipes) as process:
            line = ""
            while not line.startswith("port "):
                line = process.stdout.readline()
                assert line, "the S3 server did not start"
            patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.split()[1]}")
            yield
            process.stdin.close()
            process.wait(30)
