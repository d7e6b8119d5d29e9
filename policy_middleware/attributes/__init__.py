"""Where tenant, identity, roles and other attributes of a request come from.

A *source* says how to read one attribute. The built-in ones look only at the request in hand and are read in
place; your own callables receive the framework's request object, synchronous ones in a worker thread where
there is an event loop to protect, asynchronous ones awaited.
"""

from policy_middleware.attributes.bearer import jwt_bearer, roles_in_claim
from policy_middleware.attributes.body import BodySource, body, values_in_body
from policy_middleware.attributes.identity import (
    claim,
    framework_user,
    identity_id,
    identity_of,
    identity_roles,
    text_values,
    user,
)
from policy_middleware.attributes.request_sources import (
    AttributeType,
    behind,
    believes_anybody,
    const,
    header,
    headers_read,
    path_param,
    query,
    subdomain,
)
from policy_middleware.attributes.resolving import as_source
from policy_middleware.attributes.source import (
    CredentialError,
    Custom,
    HeaderNames,
    Identity,
    MalformedAttribute,
    Source,
    SourceRequest,
    WouldBlock,
    header_variable,
)

__all__ = [
    "AttributeType",
    "BodySource",
    "CredentialError",
    "Custom",
    "HeaderNames",
    "Identity",
    "MalformedAttribute",
    "Source",
    "SourceRequest",
    "WouldBlock",
    "as_source",
    "behind",
    "believes_anybody",
    "body",
    "claim",
    "const",
    "framework_user",
    "header",
    "headers_read",
    "header_variable",
    "identity_id",
    "identity_of",
    "identity_roles",
    "jwt_bearer",
    "path_param",
    "query",
    "roles_in_claim",
    "subdomain",
    "text_values",
    "user",
    "values_in_body",
]
