"""Calling WSGI apps as a server would, one environ at a time."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from wsgiref.util import setup_testing_defaults

IDENTITY = {"HTTP_X_TENANT_ID": "acme", "HTTP_X_USER": "bea", "HTTP_X_ROLES": "analyst"}


@dataclass
class Received:
    """What a server received from an app."""

    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return the first value of a header."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Take status and headers, as PEP 3333 says."""
        if exc_info is not None and self.written:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None:
            assert not self.status, "start_response was called twice"
        self.status, self.headers = status, headers
        return self.written.append


def environ_of(
    method: str = "GET", path: str = "/docs/7", body: bytes | None = None, **more: Any
) -> dict[str, Any]:
    """Return the environ of a request by somebody whom every source accepts."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, **IDENTITY}
    setup_testing_defaults(environ)
    if body is not None:
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return environ | more


def call(app: Any, environ: dict[str, Any] | None = None) -> Received:
    """Call an app, read what it returns to its end, and close it."""
    received = Received()
    returned: Iterable[bytes] = app(environ_of() if environ is None else environ, received.start_response)
    try:
        parts = [*returned]
    finally:
        close = getattr(returned, "close", None)
        if close is not None:
            close()
    received.body = b"".join([*received.written, *parts])
    return received
