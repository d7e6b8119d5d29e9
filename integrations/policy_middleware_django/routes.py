"""What is known of a Django route before its view runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from policy_middleware.routing import RouteMetadata, RoutePolicy, route_policy
from policy_middleware_django.templates import is_regex, template_of

View = Callable[..., HttpResponseBase]

_PARAMETER: Final = re.compile(r"\{(\w+)\}")

_MAX_ROUTES: Final = 4096
"""Clients may invent methods without end, so what is remembered has a bound."""

_STATIC_VIEWS: Final = {("django.contrib.staticfiles.views", "serve"), ("django.views.static", "serve")}


class RegexParameters(dict[str, object]):
    """The parameters of a re_path() route, where an optional group that took nothing is empty text."""

    def __init__(self, template: str, given: Mapping[str, object]) -> None:
        super().__init__(given)
        self._names = frozenset(_PARAMETER.findall(template))

    def __missing__(self, name: str) -> object:
        if name in self._names:
            return ""
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class ResolvedRoute:
    """A route, a view and a method, worked out once."""

    policy: RoutePolicy
    is_regex: bool
    is_static_view: bool

    def parameters(self, args: Sequence[object], kwargs: Mapping[str, Any]) -> Mapping[str, object]:
        """Return the path parameters under the names that the template gives them."""
        if not args and not self.is_regex:
            return kwargs
        unnamed = {f"arg{number}": value for number, value in enumerate(args, 1)}
        return RegexParameters(self.policy.template, {**unnamed, **kwargs})


class RoutePolicies:
    """The policies of a project's routes, each worked out once."""

    def __init__(self, table: Mapping[str, RouteMetadata]) -> None:
        self._table = table
        self.of = lru_cache(maxsize=_MAX_ROUTES)(self._worked_out)
        """Return what a route of a view means for a method."""

    def _worked_out(self, method: str, route: str, view: View) -> ResolvedRoute:
        policy = route_policy(method.upper(), template_of(route), view, self._table)
        name = (getattr(view, "__module__", None), getattr(view, "__qualname__", None))
        return ResolvedRoute(policy, is_regex(route), name in _STATIC_VIEWS)


def is_below_static_url(request: HttpRequest) -> bool:
    """True for a path below STATIC_URL, when this host serves it under a path of its own."""
    url = urlsplit(settings.STATIC_URL or "")
    base = url.path.rstrip("/")
    return bool(base) and not url.netloc and request.path.startswith(base + "/")
