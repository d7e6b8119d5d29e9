"""What a browser gets: rendered templates, static files, and the headers that guard both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from policy_middleware.console import wording
from policy_middleware.model.errors import MissingExtra
from policy_middleware.model.printing import printable
from policy_middleware.model.times import format_time
from policy_middleware.responses import Headers, Response

if TYPE_CHECKING:
    from jinja2 import Environment

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_GUARDS: Final[Headers] = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    # Not `no-referrer`, which makes browsers send the Origin `null` with our own forms.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_FOR_A_YEAR: Final = ("Cache-Control", "public, max-age=31536000, immutable")
_NEVER: Final = ("Cache-Control", "no-store")

_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "inbox.css": "text/css; charset=utf-8",
    "inbox.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""Every static file there is."""

STATIC: Final = "/static/"


class Pages:
    """Templates and static files, read at construction: rendering never looks at the disk."""

    def __init__(self) -> None:
        import jinja2

        def shown(value: object) -> object:
            # Markup is ours. Any other text may carry what reverses or breaks a line.
            return printable(value) if type(value) is str else value

        self._environment: Environment = jinja2.Environment(
            loader=jinja2.PackageLoader("policy_middleware.console"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=shown,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "moment": wording.moment,
            "duration": wording.duration,
            "size": wording.size,
            "timestamp": format_time,
        }
        self._environment.globals |= {"counted": wording.counted, "static": static_path}
        for name in self._environment.list_templates():
            self._environment.get_template(name)
        for name in _MEDIA_TYPES:
            _digest(name)

    def page(self, template: str, status: int, headers: Headers = (), **variables: object) -> Response:
        """Render a template into a complete answer that no cache may keep and no other site may frame."""
        text = self._environment.get_template(template).render(**variables)
        body = text.encode("utf-8", "replace")
        fixed: Headers = (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            _NEVER,
            # What a page looks like depends on who asks.
            ("Vary", "Cookie, Authorization"),
        )
        return Response(status, fixed + _GUARDS + headers, body)


def require_templates() -> None:
    """Raise MissingExtra where there is no Jinja2."""
    try:
        import jinja2  # noqa: F401 -- asks whether it is there, to name the extra in one line
    except ImportError:
        raise MissingExtra("console", "the inbox") from None


@cache
def pages() -> Pages:
    """Return the pages of the process; may block the first time, when everything is read."""
    return Pages()


def redirect(location: str) -> Response:
    """Send a browser on after a form was taken (303, so that it asks with GET)."""
    return Response(303, (("Location", location), ("Content-Length", "0"), _NEVER, *_GUARDS), b"")


def static_path(name: str) -> str:
    """Return where a static file is below the inbox: its content is part of the name."""
    return f"{STATIC}{_digest(name)}/{name}"


def static_file(path: str) -> Response | None:
    """Return the static file of a path below the inbox, None when there is none."""
    digest, _, name = path.removeprefix(STATIC).partition("/")
    if name not in _MEDIA_TYPES or digest != _digest(name):
        return None
    body = _content(name)
    headers: Headers = (
        ("Content-Type", _MEDIA_TYPES[name]),
        ("Content-Length", str(len(body))),
        _FOR_A_YEAR,
    )
    return Response(200, headers + _GUARDS, body)


@cache
def _content(name: str) -> bytes:
    return (files("policy_middleware.console") / "static" / name).read_bytes()


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:12]
