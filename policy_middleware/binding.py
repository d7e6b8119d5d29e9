"""What of a request an approval is bound to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from policy_middleware.extraction import ContextRequest
from policy_middleware.model.context import AttributeValue, RequestContext
from policy_middleware.model.vocabulary import canonical_attribute
from policy_middleware.settings import GateSettings

_VOLATILE: Final = "environment."
"""Circumstances of a call, which no two calls share; the policy sees them anew at each."""


def bound_attributes(settings: GateSettings, context: RequestContext) -> Mapping[str, AttributeValue]:
    """Return the attributes of configured sources that a replay has to repeat.

    All of them but those under `environment` and those that `approval_ignores` names.
    """
    ignored = {canonical_attribute(name) for name in settings.approval_ignores}
    return {
        path: context.attributes[path]
        for path in map(canonical_attribute, settings.attributes)
        if path is not None
        and path in context.attributes
        and path not in ignored
        and not path.startswith(_VOLATILE)
    }


def resource_of(context: RequestContext) -> str | None:
    """Return the resource as `type:id`, as people are shown it."""
    kind, identifier = context.attributes.get("resource.type"), context.attributes.get("resource.id")
    if kind is None:
        return None
    return str(kind) if identifier is None else f"{kind}:{identifier}"


def whole_path(view: ContextRequest) -> str:
    """Return the path as the client sees it."""
    return view.root_path + view.path


def content_type(view: ContextRequest) -> str | None:
    """Return the request's content type, None when it has none."""
    values = view.header("content-type")
    return ",".join(values) if values else None
