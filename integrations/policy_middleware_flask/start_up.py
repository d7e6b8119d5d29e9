"""What is wrong with where the policy middleware stands in a Flask application.

Other people's extensions are known by the package that their hooks and wrappers come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import MappingProxyType
from typing import Final

from flask import Flask

from policy_middleware.settings import GateSettings
from policy_middleware.start_up import Remark, debug_pages

_HOOKS: Final = MappingProxyType(
    {
        "flask_cors": Remark(
            "CORS",
            "Flask-CORS leaves preflight requests to Flask, so they are decided by policy: they carry no "
            "credentials and are refused, and browsers report a CORS error",
            "answer preflights outside PolicyMiddleware (docs/flask.md shows how)",
        ),
        "flask_compress": Remark(
            "compression",
            "Flask-Compress compresses inside PolicyMiddleware, and masks may have to be refused on what it "
            "compresses",
            "compress in the server or proxy, or by a WSGI middleware around app.wsgi_app",
        ),
    }
)
"""Hooks after the view, by package."""
_ANSWERING: Final = frozenset({"WhiteNoise", "DispatcherMiddleware", "SharedDataMiddleware"})
"""WSGI middlewares that answer by themselves."""
_WRAPPED: Final = ("app", "wsgi_app", "application")
_DEEPEST: Final = 20


def inspect(app: Flask, settings: GateSettings, inside: object) -> Iterator[Remark]:
    """Remark on a complete application; `inside` is the WSGI application that the policy middleware wraps."""
    for package in sorted(_hooking_packages(app)):
        remark = _HOOKS.get(package)
        if remark is not None and not (package == "flask_cors" and _is_wrapped(app)):
            yield remark
    for layer in _layers(inside):
        name = type(layer).__name__
        if name in _ANSWERING:
            yield Remark(
                "WSGI middleware",
                f"{name} is installed inside PolicyMiddleware: what it answers by itself was not decided and "
                "is replaced by a 500",
                f"put {name} around app.wsgi_app after PolicyMiddleware.init_app(app)",
            )
    if settings.trusted_proxies and any(map(_hides_peers, (*_layers(app.wsgi_app), *_layers(inside)))):
        yield Remark(
            "trusted_proxies",
            "ProxyFix replaces the proxy's address by what X-Forwarded-For says, so trusted_proxies never "
            "matches, and headers are nobody's",
            "use ProxyFix(x_for=0)",
        )
    if app.debug:
        yield debug_pages()


def _hooking_packages(app: Flask) -> set[str]:
    hooks = (hook for hooks in app.after_request_funcs.values() for hook in hooks)
    return {str(getattr(hook, "__module__", "")).partition(".")[0] for hook in hooks}


def _is_wrapped(app: Flask) -> bool:
    """True when something stands around the policy, which may well answer preflights."""
    return not isinstance(app.wsgi_app, partial)


def _layers(wsgi_app: object) -> list[object]:
    """Return a WSGI application and what it wraps, as far as that can be seen."""
    found: list[object] = []
    while wsgi_app is not None and len(found) < _DEEPEST:
        found.append(wsgi_app)
        inner = (getattr(wsgi_app, name, None) for name in _WRAPPED)
        wsgi_app = next((one for one in inner if callable(one)), None)
    return found


def _hides_peers(layer: object) -> bool:
    return type(layer).__name__ == "ProxyFix" and bool(getattr(layer, "x_for", 0))
