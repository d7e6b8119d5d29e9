"""What is wrong with where the policy middleware stands in a Starlette or FastAPI application."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from policy_middleware.asgi import PolicyMiddleware as AsgiPolicyMiddleware
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.settings import (
    ENFORCER_SETTINGS,
    GATE_SETTINGS,
    EnforcerSettings,
    GateSettings,
)
from policy_middleware.start_up import Remark, debug_pages, remarks, rewritten_peers

_LATER: Final = "add it after PolicyMiddleware (what is added later lies further out)"
_COMPRESSING: Final = ("brotli", "compress", "zstd")
_CACHING: Final = "cache"


def inside(kinds: Sequence[type], settings: GateSettings) -> Iterator[Remark]:
    """Remark on middlewares that have to be outside ours and are inside."""
    for kind in kinds:
        name = kind.__name__
        if issubclass(kind, CORSMiddleware):
            yield Remark(
                "CORS",
                f"{name} is installed inside PolicyMiddleware, so preflight requests are decided by policy "
                "and denials reach browsers as CORS errors",
                _LATER,
            )
        elif issubclass(kind, GZipMiddleware) or _is_named(kind, *_COMPRESSING):
            yield Remark(
                "compression",
                f"{name} is installed inside PolicyMiddleware, and masks may have to be refused on what it "
                "compresses",
                _LATER,
            )
        elif issubclass(kind, AuthenticationMiddleware):
            if settings.identity is None and settings.subject is None:
                yield Remark(
                    "authentication",
                    f"{name} is installed inside PolicyMiddleware, so nobody is known when a request is "
                    "decided, and everybody is answered 401",
                    _LATER,
                )
        elif _is_named(kind, _CACHING):
            yield Remark(
                "cache",
                f"{name} is installed inside PolicyMiddleware: what it answers by itself is held back, "
                "because no route ran",
                "cache inside the handlers",
            )


def outside(kinds: Sequence[type]) -> Iterator[Remark]:
    """Remark on middlewares that have to be inside ours, or nowhere, and are outside."""
    for kind in kinds:
        if _is_named(kind, _CACHING):
            yield Remark(
                "cache",
                f"{kind.__name__} is installed outside PolicyMiddleware: it serves one caller what was "
                "decided, and masked, for another",
                "cache inside the handlers",
            )


def around(app: Starlette, settings: GateSettings) -> Iterator[Remark]:
    """Remark on what can be seen of an application once it is complete: what lies outside, and its mode."""
    kinds = _kinds(app)
    ours = _position(kinds)
    if ours is not None:
        yield from outside(kinds[:ours])
    if app.debug:
        yield debug_pages()
    yield from rewritten_peers(settings)


def inspect(app: Starlette) -> Iterator[Remark]:
    """Remark on an application that nobody has started."""
    kinds = _kinds(app)
    ours = _position(kinds)
    if ours is None:
        yield Remark(
            "installation",
            "the application itself has no PolicyMiddleware: nothing outside its mounts is decided",
            "app.add_middleware(PolicyMiddleware, tenant=...)",
        )
        return
    options: dict[str, Any] = dict(app.user_middleware[ours].kwargs)
    settings = GateSettings.load({name: options[name] for name in GATE_SETTINGS & options.keys()})
    enforcer = options.get("enforcer")
    yield from remarks(
        settings,
        enforcer.settings
        if isinstance(enforcer, PolicyEnforcer)
        else EnforcerSettings.load({name: options[name] for name in ENFORCER_SETTINGS & options.keys()}),
    )
    yield from inside(kinds[ours + 1 :], settings)
    yield from around(app, settings)


def _kinds(app: Starlette) -> list[type]:
    """Return the classes of an application's middlewares, outermost first; other callables have none."""
    return [kind if isinstance(kind, type) else object for kind in _classes(app)]


def _classes(app: Starlette) -> list[object]:
    return [middleware.cls for middleware in app.user_middleware]


def _position(kinds: Sequence[type]) -> int | None:
    return next((place for place, kind in enumerate(kinds) if issubclass(kind, AsgiPolicyMiddleware)), None)


def _is_named(kind: type, *parts: str) -> bool:
    """True for a class of somebody else's that is named after what it does."""
    return any(part in kind.__name__.lower() for part in parts) and "Middleware" in kind.__name__
