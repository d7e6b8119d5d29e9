"""Start and stop the example services as they run in production: under uvicorn and gunicorn."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode

from tests.servers import free_port
from tests.waiting import eventually

ROOT: Final = Path(__file__).resolve().parent.parent
START_TIMEOUT: Final = 60.0
"""Seconds a service may take to answer its health probe; importing Django on a busy machine is slow."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers by lower-case name, and the body, parsed when it is JSON."""

    status: int
    headers: Mapping[str, str]
    body: object


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: what the company's gateway would put into the identity headers."""

    name: str
    role: str
    tenant: str

    @property
    def headers(self) -> dict[str, str]:
        """The identity headers."""
        return {"X-User": self.name, "X-Roles": self.role, "X-Tenant-ID": self.tenant}


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked for; a `body` is sent as JSON."""

    method: str
    path: str
    body: object = None


class Service:
    """One example service in a process of its own; used as a context manager."""

    def __init__(self, title: str, server: str, application: str, *options: str) -> None:
        self.title = f"{title} under {server}"
        self.port = free_port()
        bind = {
            "uvicorn": ("--host", "127.0.0.1", "--port", str(self.port)),
            "gunicorn": ("--bind", f"127.0.0.1:{self.port}"),
        }[server]
        self._command = (sys.executable, "-m", server, *bind, *options, application)
        self.environment: Mapping[str, str] = {}
        self._log: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the service listens."""
        return f"http://127.0.0.1:{self.port}"

    def configure(self, environment: Mapping[str, str], log: Path | None = None) -> Self:
        """Add to the environment of the process, and send what it writes to `log` instead of the terminal."""
        self.environment, self._log = environment, log
        return self

    def __enter__(self) -> Self:
        environment = {**os.environ, **self.environment}
        if self._log is None:
            self._process = subprocess.Popen(self._command, cwd=ROOT, env=environment)
        else:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
                )
        try:
            eventually(self._answers, timeout=START_TIMEOUT)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask the process to end, and end it when it does not within ten seconds."""
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait(self) -> int:
        """Wait for the process to end by itself; return its exit status."""
        assert self._process is not None
        return self._process.wait()

    def ask(
        self,
        person: Person,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request as `person`; a `body` is sent as JSON."""
        sent = {**person.headers, **(headers or {})}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        return self._exchange(method, path, content, sent)

    def send(self, person: Person, call: Call, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a call as `person`."""
        return self.ask(person, call.method, call.path, call.body, headers)

    def send_form(self, person: Person, path: str, fields: Mapping[str, str]) -> Answer:
        """Send a form as the browser of `person` does from a page of this service."""
        sent = {
            **person.headers,
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
        }
        return self._exchange("POST", path, urlencode(fields).encode(), sent)

    def _exchange(self, method: str, path: str, content: bytes | None, sent: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, content, dict(sent))
            response = connection.getresponse()
            received = response.read()
        finally:
            connection.close()
        fields = {name.lower(): value for name, value in response.getheaders()}
        is_json = fields.get("content-type", "").partition(";")[0].endswith("json")
        return Answer(response.status, fields, json.loads(received) if is_json else received.decode())

    def decision(self, decision_id: str) -> Mapping[str, object] | None:
        """Find a decision record in what the service logged; None while it is not written yet."""
        assert self._log is not None
        for line in self._log.read_text().splitlines():
            if decision_id in line and line.startswith("{"):
                record = json.loads(line)
                if record["decision_id"] == decision_id and record["event"] == "decision":
                    return dict(record)
        return None

    def log_tail(self) -> str:
        """Return the end of what the service wrote."""
        return self._log.read_text()[-3000:] if self._log is not None else "see above"

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.title} ended by {self._process.returncode}: {self.log_tail()}")
        try:
            return self.ask(Person("nobody", "none", "acme"), "GET", "/healthz").status == 200
        except OSError:
            return False


def fastapi() -> Service:
    """Return the FastAPI service: one process, one event loop."""
    return Service("FastAPI", "uvicorn", "examples.fastapi_service:app", "--log-level", "warning")


def django() -> Service:
    """Return the Django service: two workers with threads."""
    return Service(
        "Django", "gunicorn", "examples.django_service.wsgi:application", "--workers", "2", "--threads", "4"
    )


def flask() -> Service:
    """Return the Flask service: two workers forked from an application that was loaded before."""
    return Service(
        "Flask", "gunicorn", "examples.flask_service:app", "--workers", "2", "--threads", "4", "--preload"
    )
