"""Say in an application's OpenAPI document what policy may answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from policy_middleware.api_description import SCHEMAS, api_paths
from policy_middleware.responses import PROBLEM_JSON
from policy_middleware.routing import RouteMetadata, route_policy, routes_table
from policy_middleware.settings import GateSettings
from policy_middleware_fastapi.dependency import DEPENDENCY_ACTION_ATTRIBUTE
from policy_middleware_fastapi.middleware import PolicyMiddleware

ACTION_EXTENSION: Final = "x-policy-action"
FURTHER_ACTIONS_EXTENSION: Final = "x-policy-further-actions"

_RETRY_AFTER: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}


def document(app: FastAPI) -> None:
    """Let `app.openapi()` describe, for every decided operation, the answers 202, 403 and 503 and its action.

    What the package serves under its prefix is described too. What the application documents itself stays.
    The action is in `x-policy-action`,
    those of `require(...)` are in `x-policy-further-actions`; exempt operations are left alone.
    """
    plain_openapi = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain_openapi()
        _amend(schema, app)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend OpenAPI


def _amend(schema: dict[str, Any], app: FastAPI) -> None:
    table = _routes_setting(app)
    documented = False
    for context, method, operation in _operations(schema, app):
        policy = route_policy(method, context.path_format or "", context.endpoint, table)
        if policy.exempt:
            continue
        documented = True
        operation[ACTION_EXTENSION] = policy.action
        further = list(_further_actions(context))
        if further:
            operation[FURTHER_ACTIONS_EXTENSION] = further
        responses = operation.setdefault("responses", {})
        for status, response in _RESPONSES.items():
            responses.setdefault(status, response)
    if documented:
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        for name, own in SCHEMAS.items():
            schemas.setdefault(name, own)
        for path, item in api_paths(_gate_settings(app)).items():
            schema.setdefault("paths", {}).setdefault(path, item)


def _operations(
    schema: Mapping[str, Any], app: FastAPI
) -> Iterator[tuple[RouteContext, str, dict[str, Any]]]:
    paths = schema.get("paths", {})
    for context in iter_route_contexts(app.routes):
        operations = paths.get(context.path_format, {})
        for method in sorted(context.methods or ()):
            if method.lower() in operations:
                yield context, method, operations[method.lower()]


def _further_actions(context: RouteContext) -> Iterator[str]:
    waiting = [getattr(context, "dependant", None)]
    while waiting:
        dependant = waiting.pop()
        if dependant is None:
            continue
        action = getattr(dependant.call, DEPENDENCY_ACTION_ATTRIBUTE, None)
        if isinstance(action, str):
            yield action
        waiting.extend(reversed(dependant.dependencies))


def _options(app: FastAPI) -> Mapping[str, object]:
    for middleware in app.user_middleware:
        if isinstance(middleware.cls, type) and issubclass(middleware.cls, PolicyMiddleware):
            return middleware.kwargs
    return {}


def _routes_setting(app: FastAPI) -> Mapping[str, RouteMetadata]:
    routes = _options(app).get("routes")
    return routes_table(routes if isinstance(routes, Mapping) else None)


def _gate_settings(app: FastAPI) -> GateSettings:
    """Return the settings that say where the package serves its own pages."""
    prefix = _options(app).get("prefix")
    return GateSettings.load({} if prefix is None else {"prefix": prefix})


def _response(description: str, media_type: str, name: str, **more: object) -> dict[str, object]:
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {"description": description, "content": content, **more}


_RESPONSES: Final = {
    "202": _response("Waiting for approval", "application/json", "PendingApproval", headers=_RETRY_AFTER),
    "403": _response("Denied by policy", PROBLEM_JSON, "PolicyProblem"),
    "503": _response("Policy unavailable", PROBLEM_JSON, "PolicyProblem", headers=_RETRY_AFTER),
}
