"""Start a private server, and end it with the last process that uses it.

Run as a program of its own (`python -I -S embedded_guard.py DIRECTORY SOCKET BINARY`), so it imports nothing
but the standard library. It forks: the parent waits until the server answers and exits with 0, or with 1 and
a sentence on standard error; the child stays and guards the server.

Three locks (flock) in the directory say what is alive, and the kernel lets go of them however a process ends:

    users.lock    shared by every process that uses the server; the guard waits for it exclusively
    guard.lock    the guard lives
    server.lock   the server lives: it inherits the descriptor
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time

USERS = "users.lock"
GUARD = "guard.lock"
SERVER = "server.lock"
LOG = "server.log"
READY = b"ready"
START_SECONDS = 10.0
STOP_SECONDS = 10.0
PAUSE_SECONDS = 0.01
_LOG_TOLD = 400


def answers(path: str) -> bool:
    """True when a server at this socket is ready for commands (not while it still loads its data)."""
    try:
        return exchange(path, b"PING\r\n").startswith(b"+PONG")
    except OSError:
        return False


def exchange(path: str, command: bytes) -> bytes:
    """Send one inline command and return the beginning of the answer; raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        connection.connect(path)
        connection.sendall(command)
        return connection.recv(64)


def open_lock(directory: str, name: str) -> int:
    """Open a lock file for its owner only."""
    return os.open(os.path.join(directory, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def main(directory: str, path: str, binary: str) -> int:
    """Start guard and server; return 0 when the server answers."""
    os.umask(0o077)
    told, tell = os.pipe()
    if os.fork() == 0:
        os.close(told)
        _guard(directory, path, binary, tell)
        os._exit(0)
    os.close(tell)
    with open(told, "rb") as report:
        said = report.read()
    if said == READY:
        return 0
    sys.stderr.write(said.decode(errors="replace") or "the guard of the server ended at once")
    return 1


def _guard(directory: str, path: str, binary: str, tell: int) -> None:
    """Leave the starter's session, so that a Ctrl-C meant for it ends neither the guard nor the server."""
    os.setsid()
    os.chdir(directory)
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard, target in ((0, nothing), (1, log), (2, log)):
        os.dup2(target, standard)
    try:
        for name in (GUARD, SERVER):
            lock = open_lock(directory, name)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        server = subprocess.Popen(  # noqa: S603 -- what our own package chose, as separate arguments
            _command(directory, path, binary), pass_fds=(lock,)
        )
    except OSError as error:
        os.write(tell, f"{binary} cannot be started: {error}".encode())
        return
    if not _began(server, path):
        server.kill()
        server.wait()
        with open(LOG, errors="replace") as lines:
            os.write(tell, f"{binary} did not start: {lines.read()[-_LOG_TOLD:].strip()}".encode())
        return
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    os.write(tell, READY)
    os.close(tell)
    threading.Thread(target=_end_with_the_last_user, args=(directory, server), daemon=True).start()
    server.wait()
    with contextlib.suppress(OSError):
        os.unlink(path)


def _command(directory: str, path: str, binary: str) -> list[str]:
    return [
        binary, "--port", "0", "--unixsocket", path, "--unixsocketperm", "700", "--dir", directory,
        "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--daemonize", "no",
        "--maxmemory-policy", "noeviction",
    ]  # fmt: skip


def _began(server: subprocess.Popen[bytes], path: str) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if answers(path):
            return True
        time.sleep(PAUSE_SECONDS)
    return False


def _end_with_the_last_user(directory: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until no process holds the users' lock, then keep it until the server is gone.

    Whoever comes meanwhile waits for the lock, and then starts another server on the same data.
    """
    fcntl.flock(open_lock(directory, USERS), fcntl.LOCK_EX)
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
