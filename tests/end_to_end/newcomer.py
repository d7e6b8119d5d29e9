"""Somebody who has the wheel and the documentation, and never sees the source code."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.docs.page import REDIS_ADDRESS, START_TIMEOUT, commands, snippets
from tests.servers import free_port
from tests.waiting import eventually

PACKAGE = "policy-middleware"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said, and the code it exited with."""

    code: int
    output: str


@dataclass(slots=True)
class Browser:
    """Sends requests to one app, with the headers and cookies of one person."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> Answer:
        """Send one request and keep the cookie that comes back."""
        body = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(self.url + path, body, self.headers, method=method)
        try:
            response = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if "set-cookie" in headers:
                self.headers["Cookie"] = headers["set-cookie"].partition(";")[0]
            return Answer(response.status, response.read().decode(), headers)


class Newcomer:
    """Works in an empty directory, by the programs of an environment that holds the wheel."""

    def __init__(self, directory: Path, environment: Path, redis_port: int) -> None:
        self.directory = directory
        self.programs = environment / "bin"
        self._redis = f"127.0.0.1:{redis_port}"
        self._variables = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            "POLICY_STORE_URL": f"redis://{self._redis}/0",
        }

    def copy(self, page: Path) -> None:
        """Write every file that a page shows, as it names them."""
        for snippet in snippets(page):
            if snippet.title is not None:
                path = self.directory / snippet.title
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a") as file:
                    file.write(snippet.text.replace(REDIS_ADDRESS, self._redis))

    def run(self, line: str, **variables: str) -> Said:
        """Run a command line in a shell."""
        done = subprocess.run(
            ("bash", "-c", line),
            cwd=self.directory,
            env={**self._variables, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return Said(done.returncode, done.stdout)

    def must(self, line: str, **variables: str) -> str:
        """Run a command line that has to work; return what it said."""
        said = self.run(line, **variables)
        assert said.code == 0, f"$ {line}\n{said.output}"
        return said.output

    @contextmanager
    def serving(self, line: str, **variables: str) -> Iterator[str]:
        """Serve an app, at the address that is yielded, for as long as the block lasts."""
        port = free_port()
        program, *arguments = shlex.split(line)
        where = {"uvicorn": ("--port", str(port)), "gunicorn": ("--bind", f"127.0.0.1:{port}")}[program]
        log = self.directory / f"{program}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(self.programs / program), *where, *arguments],
                cwd=self.directory,
                env={**self._variables, **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            assert process.poll() is None, log.read_text()[-3000:]
            try:
                return Browser(url).ask("GET", "/healthz").status in (200, 404)
            except OSError:
                return False

        try:
            eventually(answers, timeout=START_TIMEOUT)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def installations(page: Path, wheel: Path) -> list[str]:
    """Return what the page tells to install, with the wheel in place of the package's name."""
    found = []
    for snippet in snippets(page):
        for command in commands(snippet.text) if snippet.language == "console" else ():
            words = shlex.split(command.line)
            if words[:2] == ["pip", "install"]:
                found += [re.sub(rf"^{PACKAGE}(?=\[|$)", str(wheel), word) for word in words[2:]]
    return found
