"""Servers on loopback: Redis and PostgreSQL, which are started as processes, and S3 in a thread."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def serve_redis(directory: Path) -> Iterator[str]:
    """Start a Redis server, and yield its URL."""
    binary, port = find_binary("redis-server"), find_free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    with run_server([binary, *options], port):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def serve_postgres(directory: Path) -> Iterator[str]:
    """Start a PostgreSQL server, and yield its URL."""
    binary, port = find_binary("postgres"), find_free_port()
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    data = directory / "postgres"
    data.mkdir()
    if user:
        shutil.chown(data, user)
        for parent in data.parents:  # the directories of pytest are private
            if parent != parent.parent and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    folder = Path(binary).resolve().parent
    initdb = [folder / "initdb", "-D", data, "-N", "-U", "postgres", "--auth=trust"]
    subprocess.run(initdb, user=user, check=True, cwd="/", stdout=subprocess.DEVNULL)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    with run_server([binary, "-D", str(data), "-p", str(port), *options], port, user):
        is_ready = [folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(is_ready, check=False).returncode:
            time.sleep(0.05)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


@contextmanager
def serve_s3(bucket: str) -> Iterator[str]:
    """Serve S3 with an empty bucket, and yield its URL."""
    moto = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=bucket)
    client.close()
    try:
        yield url
    finally:
        server.stop()


def find_binary(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def run_server(command: Sequence[str], port: int, user: str | None = None) -> Iterator[None]:
    process = subprocess.Popen(command, user=user, cwd="/", stdout=subprocess.DEVNULL)
    try:
        while not is_listening(port):
            assert process.poll() is None, "the server has stopped"
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL then ends its connections
        process.wait()


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
