"""What is known of a route before any request: its action, resource, tags, or that it is exempt."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from policy_middleware.model.context import AttributeValue
from policy_middleware.model.errors import SettingsError

Handler = TypeVar("Handler", bound=Callable[..., object])

METADATA_ATTRIBUTE: Final = "__policy__"
"""Where `policy_action` and `policy_exempt` leave their note; `functools.wraps` carries it along."""

WEBSOCKET: Final = "WEBSOCKET"
"""The method under which a WebSocket handshake is decided."""

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_RESOURCE = re.compile(r"(?P<type>[^:{}\s]+)(?::(?P<id>\S+))?")
_TABLE_KEYS: Final = frozenset({"action", "resource", "tags", "exempt"})


@dataclass(frozen=True, slots=True)
class RouteMetadata:
    """What a decorator or the `routes` table says of a handler."""

    action: str | None = None
    resource: str | None = None
    tags: tuple[str, ...] = ()
    exempt: bool = False


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """One route and method, worked out once.

    `template` is written `/customers/{id}` in every framework. `resource_id` holds alternating literal text
    and parameter names (even positions literal, odd positions parameters), or None when there is no id.
    """

    template: str
    action: str
    resource_type: str | None
    resource_id: tuple[str, ...] | None
    tags: tuple[str, ...] = ()
    exempt: bool = False
    attributes: Mapping[str, AttributeValue] = field(init=False, repr=False, compare=False)
    """What the context of every request of this route says."""
    id_parameter: str | None = field(init=False, repr=False, compare=False)
    """The parameter that is the resource's id, where it is one parameter and nothing else."""

    def __post_init__(self) -> None:
        """Work out once what every request would have to."""
        attributes: dict[str, AttributeValue] = {
            "action": self.action,
            "http.route": self.template,
            "resource.tags": self.tags,
        }
        if self.resource_type is not None:
            attributes["resource.type"] = self.resource_type
        object.__setattr__(self, "attributes", attributes)
        parts = self.resource_id or ()
        is_one = len(parts) == 3 and not parts[0] and not parts[2]
        object.__setattr__(self, "id_parameter", parts[1] if is_one else None)

    def resource_id_of(self, path_params: Mapping[str, object]) -> str:
        """Return the id of the resource a request names, "" for a route whose resource has none.

        Raises KeyError for a parameter that the route lacks.
        """
        parts = self.resource_id or ()
        return "".join(str(path_params[part]) if odd % 2 else part for odd, part in enumerate(parts))


@dataclass(frozen=True, slots=True)
class ListedRoute:
    """One route of an application and one method it takes, for whoever wants to see them all.

    `opaque` marks a mounted application whose own routes are not known.
    """

    method: str
    policy: RoutePolicy
    opaque: bool = False


def policy_action(
    action: str, *, resource: str | None = None, tags: Sequence[str] = ()
) -> Callable[[Handler], Handler]:
    """Name the action a handler performs; works on functions, class-based views and their methods.

    `resource` is `type` or `type:{path_parameter}`. The handler itself is returned unchanged.
    Raises SettingsError for an empty action or a resource of another form.
    """
    metadata = RouteMetadata(_checked_action(action), _checked_resource(resource), _checked_tags(tags))
    return lambda handler: _annotate(handler, metadata)


def policy_exempt(handler: Handler) -> Handler:
    """Let every request of this handler pass undecided: for health probes and the like."""
    return _annotate(handler, RouteMetadata(exempt=True))


def route_policy(
    method: str,
    template: str,
    endpoint: object | None,
    table: Mapping[str, RouteMetadata] | None = None,
) -> RoutePolicy:
    """Work out what a route means: the decorator wins over the table, the table over the default.

    `method` is the one dispatched on (HEAD counts as GET); `endpoint` is a function, a class-based view or
    what a framework made of one; `table` comes from `routes_table`.
    """
    verb = "GET" if method == "HEAD" else method
    default_action = f"{verb} {template}"
    metadata = _metadata_of(endpoint, method)
    if metadata is None and table:
        metadata = table.get(default_action) or table.get(template)
    if metadata is None:
        metadata = RouteMetadata()
    resource_type, resource_id = _resource_parts(metadata.resource, template)
    return RoutePolicy(
        template,
        metadata.action or default_action,
        resource_type,
        resource_id,
        metadata.tags,
        metadata.exempt,
    )


def exempted(policy: RoutePolicy, paths: Sequence[str]) -> RoutePolicy:
    """Return the policy of a route, exempt where one of the `exempt` paths covers the whole of it."""
    covered = any(
        policy.template == path or policy.template.startswith(path.rstrip("/") + "/") for path in paths
    )
    return replace(policy, exempt=True) if covered else policy


def routes_table(routes: Mapping[str, object] | None) -> dict[str, RouteMetadata]:
    """Check the `routes` setting: `{"GET /customers/{id}" or "/customers/{id}": {action, resource, tags}}`.

    Raises SettingsError naming the entry.
    """
    table: dict[str, RouteMetadata] = {}
    for template, entry in (routes or {}).items():
        place = f"routes[{template!r}]"
        if not isinstance(entry, Mapping):
            raise SettingsError(f"{place}: must be a mapping with action, resource, tags or exempt")
        unknown = sorted(set(entry) - _TABLE_KEYS)
        if unknown:
            raise SettingsError(f"{place}: unknown key {unknown[0]!r}; use action, resource, tags or exempt")
        if "/" not in template:
            raise SettingsError(f"{place}: write the template as '/path/{{id}}' or 'GET /path/{{id}}'")
        action = entry.get("action")
        table[template] = RouteMetadata(
            None if action is None else _checked_action(action),
            _checked_resource(entry.get("resource")),
            _checked_tags(entry.get("tags", ())),
            entry.get("exempt") is True,
        )
    return table


def _annotate(handler: Handler, metadata: RouteMetadata) -> Handler:
    setattr(handler, METADATA_ATTRIBUTE, metadata)
    return handler


def _metadata_of(endpoint: object | None, method: str) -> RouteMetadata | None:
    """Return the nearest note: the handling method's, then the view's, then what either wraps."""
    for candidate in _candidates(endpoint, method):
        metadata = getattr(candidate, METADATA_ATTRIBUTE, None)
        if isinstance(metadata, RouteMetadata):
            return metadata
    return None


def _candidates(endpoint: object | None, method: str) -> Iterator[object]:
    if endpoint is None:
        return
    views = list(_unwrapped(endpoint))
    for view in views:
        view_class = view if inspect.isclass(view) else _view_class(view)
        if view_class is None:
            continue
        # DRF's ViewSet.as_view({"get": "list"}) keeps the names of the methods it dispatches to in `actions`.
        actions = getattr(view, "actions", None)
        for verb in ("head", "get") if method == "HEAD" else (method.lower(),):
            name = actions.get(verb, verb) if isinstance(actions, Mapping) else verb
            handler = getattr(view_class, name, None)
            if handler is not None:
                yield from _unwrapped(handler)
                break
        yield from _unwrapped(view_class)
    yield from views


def _view_class(view: object) -> type | None:
    # Django and Flask call it `view_class`, Django REST framework `cls`.
    for name in ("view_class", "cls"):
        view_class = getattr(view, name, None)
        if inspect.isclass(view_class):
            return view_class
    return None


def _unwrapped(handler: object) -> Iterator[object]:
    seen: set[int] = set()
    while handler is not None and id(handler) not in seen:
        seen.add(id(handler))
        yield handler
        # functools.partial keeps what it calls in `func`, functools.wraps in `__wrapped__`.
        handler = getattr(handler, "__wrapped__", None) or getattr(handler, "func", None)


def _resource_parts(resource: str | None, template: str) -> tuple[str | None, tuple[str, ...] | None]:
    if resource is not None:
        match = _RESOURCE.fullmatch(resource)
        if match is None:
            raise SettingsError(f"resource {resource!r} must be 'type' or 'type:{{path_parameter}}'")
        identifier = match["id"]
        return match["type"], None if identifier is None else tuple(_PARAMETER.split(identifier))
    segments = [segment for segment in template.split("/") if segment]
    literals = [segment for segment in segments if "{" not in segment]
    trailing = _PARAMETER.fullmatch(segments[-1]) if segments else None
    return (literals[-1] if literals else None), ("", trailing[1], "") if trailing else None


def _checked_action(action: object) -> str:
    if not isinstance(action, str) or not action.strip():
        raise SettingsError("policy_action needs the name of an action, such as 'invoice.refund'")
    return action


def _checked_resource(resource: object) -> str | None:
    if resource is not None and (not isinstance(resource, str) or _RESOURCE.fullmatch(resource) is None):
        raise SettingsError(f"resource {resource!r} must be 'type' or 'type:{{path_parameter}}'")
    return resource


def _checked_tags(tags: object) -> tuple[str, ...]:
    if isinstance(tags, str) or not isinstance(tags, Sequence) or not all(isinstance(t, str) for t in tags):
        raise SettingsError(f"tags must be a list of texts, not {tags!r}")
    return tuple(tags)
