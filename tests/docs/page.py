"""Read the snippets of a Markdown page and perform them the way a reader would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from policy_middleware.model.documents import parse_document
from tests.servers import free_port
from tests.waiting import eventually

ROOT: Final = Path(__file__).resolve().parents[2]
REDIS_ADDRESS: Final = "localhost:6379"
"""Where the pages' Redis server listens; replaced by a private one."""
APP_ADDRESS: Final = re.compile(r"\b(?:localhost|127\.0\.0\.1):(8\d\d\d)\b")
"""Where the pages' applications listen; each port is replaced by a free one."""
START_TIMEOUT: Final = 60.0

_FENCE = re.compile(r"^```(?P<language>[\w-]*)(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Z_]+=")
_PORT = re.compile(r" --port (8\d\d\d)\b")
_TITLE = re.compile(r'title="([^"]+)"')
_TESTED_LANGUAGES: Final = frozenset({"python", "json", "console"})
_SHOWN_LANGUAGES: Final = frozenset({"text", "http", "acl"})
"""Languages that only show something here; tests/stores/test_permissions.py performs the `acl` blocks."""
_WILDCARD: Final = "..."


@dataclass(frozen=True, slots=True)
class Snippet:
    """One fenced block; `title` is the file it belongs into."""

    language: str
    title: str | None
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """One `$ command` of a console block and the output shown below it (None: none shown)."""

    line: str
    output: str


def snippets(page: Path) -> list[Snippet]:
    """Return the fenced blocks of a page in order; every block names its language."""
    text = page.read_text()
    found = []
    for match in _FENCE.finditer(text):
        title = _TITLE.search(match["info"])
        line = text.count("\n", 0, match.start()) + 1
        snippet = Snippet(match["language"], title[1] if title else None, match["text"], line)
        known = _TESTED_LANGUAGES | _SHOWN_LANGUAGES
        assert snippet.language in known, (
            f"{page.name}:{line}: a block in {snippet.language or 'no language'!r}"
        )
        found.append(snippet)
    return found


def commands(console: str) -> Iterator[Command]:
    """Yield the commands of a console block; a command goes on after a trailing backslash."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        taken = 1
        while lines[taken - 1].endswith("\\"):
            taken += 1
        yield Command("\n".join(lines[:taken]), "\n".join(lines[taken:]).strip())


class Reader:
    """Follows one page in a directory of its own, with a private Redis server.

    `python` is the interpreter of the environment that the reader works in. Ours sees this checkout;
    another one sees what is installed beside it, and nothing else.
    """

    def __init__(self, directory: Path, redis_port: int, *, python: Path | None = None) -> None:
        self._directory = directory
        self._redis_port = redis_port
        self._python = python or Path(sys.executable)
        self._ports: dict[str, int] = {}
        self._running: list[subprocess.Popen[bytes]] = []
        programs = directory.parent / f"{directory.name}-programs"
        programs.mkdir()
        for name in ("curl", "redis-cli", "pip"):
            program = programs / name
            program.write_text(
                f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
                f"from tests.docs.programs import main\nmain({name!r})\n"
            )
            program.chmod(0o755)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("POLICY")},
            "PATH": f"{programs}:{self._python.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(directory) if python else f"{directory}:{ROOT}",
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "120",
            "POLICY_STORE_URL": f"redis://127.0.0.1:{redis_port}/0",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def follow(self, page: Path) -> None:
        """Write every titled file, perform the commands in order, and run the other Python as one program."""
        found = snippets(page)
        for snippet in found:
            if snippet.title is not None:
                self._write(snippet)
        for snippet in found:
            place = f"{page.name}:{snippet.line}"
            if snippet.language == "json":
                _check_json(snippet, place)
            elif snippet.language == "console":
                for command in commands(snippet.text):
                    self._run(command, place)
        self._run_program(page, [each for each in found if each.language == "python" and each.title is None])

    def _write(self, snippet: Snippet) -> None:
        assert snippet.title is not None
        path = self._directory / snippet.title
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(self._here(snippet.text))

    def _run_program(self, page: Path, parts: list[Snippet]) -> None:
        """Run snippets in a process of their own, each at the line that it has on its page."""
        program = ""
        for snippet in parts:
            program += "\n" * (snippet.line - program.count("\n")) + self._here(snippet.text)
        path = self._directory / f"{page.stem}_page.py"
        path.write_text(program)
        done = subprocess.run(
            (str(self._python), str(path)), env=self._environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{page.name}: {done.stderr}"

    def _run(self, command: Command, place: str) -> None:
        line = self._here(command.line)
        if line.endswith("&"):
            self._start(line.removesuffix("&").strip())
            return
        done = subprocess.run(
            ("bash", "-c", line),
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        said = self._there(done.stdout + done.stderr).strip()
        # Who shows no output of a command says that it works; who shows some may show how it fails.
        fits = matches(command.output, said) if command.output else done.returncode == 0
        assert fits, f"{place}: $ {command.line}\n--- shown\n{command.output}\n--- said\n{said}"

    def _start(self, line: str) -> None:
        line, shown = _without_port(line)
        port = self._port(shown)
        log = self._directory / f"server-{len(self._running)}.log"
        words = self._words(line)
        variables = dict(word.split("=", 1) for word in takewhile(_ASSIGNMENT.match, words))
        arguments = [*words[len(variables) :], *_listening_on(words[len(variables)], port)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                arguments,
                cwd=self._directory,
                env={**self._environment, **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._running.append(process)

        def answers() -> bool:
            assert process.poll() is None, f"{line} ended: {log.read_text()[-2000:]}"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
            except urllib.error.HTTPError:
                return True
            except OSError:
                return False
            return True

        eventually(answers, timeout=START_TIMEOUT)

    def _words(self, line: str) -> list[str]:
        """Have a shell split a line, so that `$(cat key)` is what it is to a reader."""
        return subprocess.run(
            ("bash", "-c", f"printf '%s\\0' {line}"),
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\0")[:-1]

    def _port(self, shown: str) -> int:
        return self._ports.setdefault(shown, free_port())

    def _here(self, text: str) -> str:
        """Put this run's addresses in place of the page's."""
        text = text.replace(REDIS_ADDRESS, f"127.0.0.1:{self._redis_port}")
        return APP_ADDRESS.sub(lambda match: f"127.0.0.1:{self._port(match[1])}", text)

    def _there(self, text: str) -> str:
        """Put the page's addresses in place of this run's."""
        text = text.replace(f"127.0.0.1:{self._redis_port}", REDIS_ADDRESS)
        for shown, port in self._ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"localhost:{shown}")
        return text


def matches(shown: str, said: str) -> bool:
    """True when `said` is what is `shown`, where `...` stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in shown.split(_WILDCARD))
    return re.fullmatch(pattern, said, re.DOTALL) is not None


def _without_port(line: str) -> tuple[str, str]:
    """Return how a server is started, but for the port that the page gives it, and that port."""
    given = _PORT.search(line)
    return (line, "8000") if given is None else (line.replace(given[0], ""), given[1])


def _listening_on(program: str, port: int) -> list[str]:
    if program == "uvicorn":
        return ["--host", "127.0.0.1", "--port", str(port)]
    if program == "gunicorn":
        return ["--bind", f"127.0.0.1:{port}"]
    raise AssertionError(
        f"{program!r} is started in the background, but nobody told this test how it listens"
    )


def _check_json(snippet: Snippet, place: str) -> None:
    value = json.loads(snippet.text)
    if isinstance(value, dict) and "rules" in value:
        name = Path(snippet.title).stem if snippet.title else "acme"
        document = parse_document(snippet.text, name=name)
        assert not document.warnings, f"{place}: {document.warnings}"
