"""Figures of a service with several workers, under a real gunicorn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import RedisPlace
from tests.servers import free_port
from tests.waiting import eventually

APP = """
import os
from flask import Flask
from policy_middleware.attributes import header
from policy_middleware_flask import PolicyMiddleware

app = Flask(__name__)
app.config.update(
    POLICY_STORE_URL=os.environ["STORE"], POLICY_KEY_PREFIX=os.environ["PREFIX"],
    POLICY_TENANT=header("X-Tenant-ID"), POLICY_SUBJECT=header("X-User"), POLICY_DECISION_LOG="logging",
    POLICY_METRICS=True, POLICY_METRICS_PAGE=True,
)
PolicyMiddleware(app)

@app.get("/pid")
def pid():
    return str(os.getpid())
"""
GUNICORN = """
from prometheus_client import multiprocess

graceful_timeout = 5  # a worker that is asked to end while it is being started does not hear it

def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
"""
POLICY = {"schema": 1, "default": "allow", "rules": []}


@contextmanager
def served(directory: Path, place: RedisPlace, *options: str) -> Iterator[str]:
    """Serve the application with two workers."""
    (directory / "shop.py").write_text(APP)
    (directory / "gunicorn.conf.py").write_text(GUNICORN)
    (directory / "figures").mkdir()
    address = f"127.0.0.1:{free_port()}"
    place.client.set(place.keys.doc("acme"), json.dumps(POLICY))
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(directory / "figures"),
        "STORE": place.url,
        "PREFIX": place.key_prefix,
    }
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-w", "2", "-b", address, *options, "shop:app"],
            cwd=directory,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        eventually(lambda: get(address, "/_policy/readyz")[0] == 200, timeout=30)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def get(address: str, path: str) -> tuple[int, str]:
    """Ask on a connection of its own; 0 stands for no answer."""
    request = urllib.request.Request(
        f"http://{address}{path}", headers={"X-Tenant-ID": "acme", "X-User": "ann"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def figures(address: str) -> dict[str, float]:
    """Return the figures without their labels; those of several labels are added up."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(get(address, "/_policy/metrics")[1]):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["plain", "preload"])
def test_one_scrape_tells_of_every_worker(
    options: tuple[str, ...], tmp_path: Path, clean_redis: RedisPlace
) -> None:
    with served(tmp_path, clean_redis, *options) as address:
        workers: set[str] = set()

        def both() -> bool:
            workers.add(get(address, "/pid")[1])
            return len(workers) == 2

        asked = 0
        while not both():
            asked += 1
            assert asked < 2000, "one worker answers everything"
        asked += 1
        eventually(lambda: figures(address).get("policy_decisions_total") == asked, timeout=10)
        # A worker that has just been started does not listen yet, and looks again within seconds.
        eventually(lambda: figures(address)["policy_store_listening"] == 1, timeout=15)
        found = figures(address)
        assert found["policy_ready"] == 1
        assert found["policy_store_last_success_timestamp_seconds"] > 1e9
        # A worker that ends takes its state with it; what it has counted stays.
        gone = workers.pop()
        os.kill(int(gone), signal.SIGTERM)
        eventually(lambda: not list((tmp_path / "figures").glob(f"gauge_live*_{gone}.db")), timeout=20)
        eventually(lambda: figures(address).get("policy_decisions_total") == asked, timeout=10)
        eventually(lambda: figures(address)["policy_ready"] == 1, timeout=15)  # its successor has to start
