"""Ask an application's own router which route a request will run, without running it.

Whether a route matches is always decided by the route's own `matches`, on a copy of the scope, in the
router's own order. So encodings, slashes and mounts cannot make the two disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.routing import Match

from policy_middleware.asgi import Resolution
from policy_middleware.asgi.protocol import Scope, path_below_root, route_path
from policy_middleware.routing import WEBSOCKET, RouteMetadata, RoutePolicy, route_policy
from policy_middleware_starlette.route_list import RouteList

# Reading a member of an enumeration costs more than the comparison it is read for.
_FULL, _PARTIAL = Match.FULL, Match.PARTIAL

_METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", WEBSOCKET}
)
"""Only what routes mean for these is kept: a client can make up methods without end."""


class RouteResolver:
    """Resolves requests over a router's routes, which keep what they mean once that was worked out.

    Route lists belong to one resolver, for what a route means depends on its `table`.
    """

    def __init__(self, table: Mapping[str, RouteMetadata]) -> None:
        self._table = table

    def resolve(self, routes: RouteList, scope: Scope) -> Resolution:
        """Return what the router will do with the request."""
        copy = dict(scope)
        method = copy["method"].upper() if copy["type"] == "http" else WEBSOCKET
        before = copy.get("endpoint")
        prefix = ""
        passed: tuple[object, ...] = ()
        while True:
            if routes.root_path is not None:
                copy["root_path"] = routes.root_path
            path = route_path(copy) if copy.get("root_path") else copy["path"]
            chosen = partial = None
            for candidate in routes.candidates():
                if path.startswith(candidate.literal):
                    match, child_scope = candidate.matches(copy)
                    if match is _FULL:
                        chosen = candidate
                        copy.update(child_scope)
                        break
                    if match is _PARTIAL and partial is None:
                        partial = child_scope
            if chosen is None:
                # The router itself answers (404, 405, a redirect): no endpoint runs, so none is decided on.
                copy.update(partial or {})
                return Resolution(
                    None, {}, copy, copy.get("endpoint"), before, partial is not None, False, passed
                )
            template = chosen.template
            if chosen.inside is None:
                path_params = copy.get("path_params", {})
                if chosen.foreign:
                    # Of a foreign application no routes are known: the rest of the path is its parameter.
                    path_params = {**path_params, "path": path_below_root(copy)[1:]}
                endpoint = copy.get("endpoint")
                known = chosen.known.get(method)
                if known is not None and known[0] is endpoint:
                    policy: RoutePolicy | None = known[1]
                else:
                    policy = (
                        None
                        if template is None
                        else route_policy(method, prefix + template, endpoint, self._table)
                    )
                    if policy is not None and method in _METHODS:
                        chosen.known[method] = (endpoint, policy)
                return Resolution(policy, path_params, copy, endpoint, before, False, chosen.foreign, passed)
            passed = (*passed, copy.get("endpoint"))
            prefix += template or ""
            routes = chosen.inside


def what_ran_instead(resolution: Resolution, scope: Scope, status: int) -> str | None:
    """Name what a router ran in place of what it was expected to run, None when all is as expected.

    To be asked when the response has started: by then routers have left the endpoint in the scope.
    """
    ran = scope.get("endpoint")
    if ran is resolution.endpoint:
        return "the endpoint of another method" if resolution.partial and status < 400 else None
    if ran is resolution.before:
        # A middleware inside ours answered, or passed a copy of the scope on, so that nothing can be checked.
        return "something that left no endpoint in the scope" if status < 300 else None
    if status >= 300 and any(ran is app for app in resolution.passed):
        # A middleware of the mount answered by itself, and by no success: a 401, a redirect.
        return None
    if resolution.opaque and _is_below(scope.get("root_path", ""), resolution.scope.get("root_path", "")):
        return None
    name = getattr(ran, "__qualname__", None) or type(ran).__qualname__
    return f"{getattr(ran, '__module__', '')}.{name}"


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")
