"""System checks: what is wrong with the installation, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.urls import get_resolver
from django.utils.module_loading import import_string

from policy_middleware.model.errors import SettingsError
from policy_middleware_django.conf import SETTING, installations
from policy_middleware_django.templates import all_routes, template_of

Check = Callable[..., list[CheckMessage]]

# Middlewares are compared by name: importing AuthenticationMiddleware fails in a project without its app.
_OURS: Final = "policy_middleware_django.middleware.PolicyMiddleware"
_PATH: Final = "policy_middleware_django.PolicyMiddleware"
_AUTHENTICATION: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"
_FETCH_FROM_CACHE: Final = "django.middleware.cache.FetchFromCacheMiddleware"
_UPDATE_CACHE: Final = "django.middleware.cache.UpdateCacheMiddleware"
_GZIP: Final = "django.middleware.gzip.GZipMiddleware"
_CONDITIONAL_GET: Final = "django.middleware.http.ConditionalGetMiddleware"
_CORS: Final = "corsheaders.middleware.CorsMiddleware"

_CACHE_VIEWS: Final = "Remove the site-wide cache; put cache_page() on views, which run after the decision."


def check_settings(**_: object) -> list[CheckMessage]:
    """Report settings that no gate can be made of."""
    try:
        installations[SETTING].gate  # noqa: B018 -- building it is the check
    except SettingsError as error:
        hint = (
            f"Set it in your settings, such as {SETTING} = "
            '{"STORE_URL": "redis://localhost:6379/0", "TENANT": "myapp.tenancy.get_tenant"}.'
        )
        return [Error(f"{SETTING} is not valid: {error}", hint=hint, id="policy_middleware.E001")]
    return []


def check_installed(**_: object) -> list[CheckMessage]:
    """Report a project that has the app and not the middleware: nothing would be decided."""
    if _position(_OURS) is not None:
        return []
    return [
        Error(
            "The app policy_middleware_django is installed, but its middleware is not: nothing is decided.",
            hint=f'Add "{_PATH}" to MIDDLEWARE, after AuthenticationMiddleware.',
            id="policy_middleware.E002",
        )
    ]


def check_after_authentication(**_: object) -> list[CheckMessage]:
    """Report a middleware that runs before the user is known."""
    ours, authentication = _position(_OURS), _position(_AUTHENTICATION)
    if ours is None or authentication is None or ours > authentication:
        return []
    return [
        Error(
            "PolicyMiddleware comes before AuthenticationMiddleware, so it cannot know who is asking.",
            hint=f'Move "{_PATH}" below "{_AUTHENTICATION}".',
            id="policy_middleware.E003",
        )
    ]


def check_own_prefix(**_: object) -> list[CheckMessage]:
    """Report routes of the project that lie where the package serves its own pages."""
    try:
        prefix = installations[SETTING].gate.settings.prefix
    except SettingsError:
        return []  # E001 says so
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    return [
        Error(
            f"The route {template!r} lies under {prefix!r}, where policy-middleware serves its own pages, "
            "so it can never be reached.",
            hint=f"Move the route, or set PREFIX in {SETTING} to another path.",
            id="policy_middleware.E004",
        )
        for template in (template_of(route) for route, _ in all_routes(get_resolver().url_patterns))
        if template == prefix or template.startswith(prefix + "/")
    ]


def check_cache_outside(**_: object) -> list[CheckMessage]:
    """Report a cache that answers before anything is decided."""
    ours, fetch = _position(_OURS), _position(_FETCH_FROM_CACHE)
    if ours is None or fetch is None or fetch > ours:
        return []
    return [
        Error(
            "FetchFromCacheMiddleware comes before PolicyMiddleware: it serves one caller what was decided "
            "for another.",
            hint=_CACHE_VIEWS,
            id="policy_middleware.E005",
        )
    ]


def _check_inside(middleware: str, harm: str, hint: str, identifier: str, **_: object) -> list[CheckMessage]:
    """Report a middleware that has to be outside ours and is inside."""
    ours, theirs = _position(_OURS), _position(middleware)
    if ours is None or theirs is None or theirs < ours:
        return []
    message = f"{middleware.rpartition('.')[2]} comes after PolicyMiddleware: {harm}"
    return [checks.Warning(message, hint=hint, id=identifier)]


check_compression = partial(
    _check_inside,
    _GZIP,
    "what it compresses cannot be masked.",
    f'Move "{_GZIP}" above "{_PATH}".',
    "policy_middleware.W006",
)
check_conditional = partial(
    _check_inside,
    _CONDITIONAL_GET,
    "it makes validators of bodies that are masked afterwards.",
    f'Move "{_CONDITIONAL_GET}" above "{_PATH}".',
    "policy_middleware.W007",
)
check_cache_inside = partial(
    _check_inside,
    _UPDATE_CACHE,
    "it keeps responses from before they are masked, and what it answers from its cache is undecided.",
    _CACHE_VIEWS,
    "policy_middleware.W008",
)
check_cors = partial(
    _check_inside,
    _CORS,
    "preflight requests carry no credentials and are refused, and refusals lack the CORS headers.",
    f'Move "{_CORS}" above "{_PATH}"; it answers preflights itself.',
    "policy_middleware.W009",
)


def check_rest_framework(**_: object) -> list[CheckMessage]:
    """Report Django REST framework without an identity source that knows its users."""
    if "rest_framework" not in settings.INSTALLED_APPS:
        return []
    try:
        configured = installations[SETTING].gate.settings
    except SettingsError:
        return []  # E001 says so
    if configured.identity is not None or configured.subject is not None:
        return []
    return [
        checks.Warning(
            "Django REST framework authenticates inside its views, so token users are anonymous when a "
            "request is decided.",
            hint=f"Set IDENTITY in {SETTING} to policy_middleware_django.drf().",
            id="policy_middleware.W010",
        )
    ]


def check_enforcing(**_: object) -> list[CheckMessage]:
    """Report a deployment that only observes."""
    try:
        mode = installations[SETTING].gate.settings.mode
    except SettingsError:
        return []  # E001 says so
    if mode == "enforce":
        return []
    return [
        checks.Warning(
            f"{SETTING} says MODE = {mode!r}: every request proceeds, whatever the policies say.",
            hint='Set MODE to "enforce" once the decision log shows what you expect.',
            id="policy_middleware.W011",
        )
    ]


CHECKS: Final[tuple[Check, ...]] = (
    check_settings,
    check_installed,
    check_after_authentication,
    check_own_prefix,
    check_cache_outside,
    check_compression,
    check_conditional,
    check_cache_inside,
    check_cors,
    check_rest_framework,
)
DEPLOY_CHECKS: Final[tuple[Check, ...]] = (check_enforcing,)


def _position(middleware: str) -> int | None:
    """Return the index in MIDDLEWARE of a class, or of a subclass of it."""
    for index, path in enumerate(settings.MIDDLEWARE):
        if path == middleware or middleware in _ancestry(path):
            return index
    return None


def _ancestry(path: str) -> set[str]:
    try:
        found: object = import_string(path)
    except ImportError:
        return set()  # Django reports it when it loads the middlewares
    classes = found.__mro__ if isinstance(found, type) else ()
    return {f"{ancestor.__module__}.{ancestor.__qualname__}" for ancestor in classes}
