"""A process that uses an embedded store, told what to do line by line on standard input."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from policy_middleware.stores import Store, open_store

DOCUMENT = b'{"schema": 1, "default": "allow", "rules": []}'


def perform(store: Store, command: str, name: str) -> str:
    """Do one thing and say what came of it."""
    if command == "publish":
        return store.publish(name, DOCUMENT).revision
    if command == "read":
        body = store.read([name]).bodies[name]
        return "none" if body is None else body.decode()
    if command == "fork":
        if os.fork() == 0:
            store.after_fork()  # what Snapshots does for its store
            store.close()
            os._exit(0)
        os.wait()
        return "forked"
    if command == "stay-forked":
        child = os.fork()
        if child == 0:
            store.after_fork()
            store.read([name])
            print(os.getpid(), flush=True)
            sys.stdin.read()
            os._exit(0)
        sys.stdin.close()
        os._exit(0)  # the child answers, and lives on
    store.close()
    return "closed"


def main(url: str) -> None:
    """Answer every line of standard input with one of standard output."""
    store = open_store(url)
    for line in iter(sys.stdin.readline, ""):
        command, _, name = line.strip().partition(" ")
        print(perform(store, command, name), flush=True)


class User:
    """Such a process, as a test drives it."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-m", "tests.stores.embedded_user", url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, *words: str) -> None:
        """Give an order without waiting for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        """Wait for the answer to the last order."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process ended without an answer"
        return line.strip()

    def do(self, *words: str) -> str:
        """Give an order and wait for its answer."""
        self.say(*words)
        return self.answer()

    def kill(self) -> None:
        """Kill without warning (SIGKILL)."""
        self._process.kill()
        self._process.wait(10)

    def end(self) -> None:
        """Close standard input, which ends the process and its forks."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def all_of(users: Sequence[User], *words: str) -> list[str]:
    """Have all processes do the same at the same time."""
    for user in users:
        user.say(*words)
    return [user.answer() for user in users]


if __name__ == "__main__":
    main(*sys.argv[1:])
