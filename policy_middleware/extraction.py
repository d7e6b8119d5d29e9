"""From a request to its context: run the configured sources, refuse what cannot be trusted."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from policy_middleware.attributes import (
    CredentialError,
    Custom,
    Identity,
    MalformedAttribute,
    Source,
    SourceRequest,
    as_source,
    framework_user,
    identity_of,
    text_values,
)
from policy_middleware.model.context import AttributeValue, RequestContext, attribute_value
from policy_middleware.model.errors import ContextError, PolicyError, SettingsError
from policy_middleware.model.vocabulary import (
    ALIASES,
    RESERVED_ATTRIBUTES,
    canonical_attribute,
    is_tenant_id,
)
from policy_middleware.responses import ProblemType
from policy_middleware.routing import RoutePolicy
from policy_middleware.settings import GateSettings

log: Final = logging.getLogger("policy_middleware")

ANONYMOUS: Final = "anonymous"
USER: Final = "user"


class ContextRequest(SourceRequest, Protocol):
    """The part of a request that its context is made of; `policy_middleware.gate.RequestView` has it."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def root_path(self) -> str: ...
    @property
    def client(self) -> str | None: ...
    @property
    def route(self) -> RoutePolicy | None: ...


class Refused(PolicyError):
    """A request is refused before anything is decided; `attributes` is what is known of it so far."""

    def __init__(self, kind: ProblemType, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.attributes: Mapping[str, AttributeValue] = {}


@dataclass(frozen=True, slots=True)
class Failure:
    """What came of a custom source that raised."""

    error: Exception


CustomValues = Mapping[Custom, object]
"""What the custom sources gave: a value, or a Failure."""


class Extraction:
    """The configured sources of an application, checked once at start-up.

    Raises SettingsError for a source that cannot be resolved, a missing `tenant` and attributes that would
    overwrite what the package itself provides.
    """

    def __init__(self, settings: GateSettings) -> None:
        if settings.tenant is None:
            raise SettingsError(
                "tenant: say where the tenant of a request comes from, such as tenant=claim('org'), "
                "tenant=header('X-Tenant-ID') behind a proxy, or tenant=const('acme') for a single one"
            )
        specs = settings.tenant if isinstance(settings.tenant, (list, tuple)) else (settings.tenant,)
        self._tenants = tuple(as_source(spec, "tenant") for spec in specs)
        self._identity = (
            framework_user() if settings.identity is None else as_source(settings.identity, "identity")
        )
        self._subject = None if settings.subject is None else as_source(settings.subject, "subject")
        self._roles = None if settings.roles is None else as_source(settings.roles, "roles", many=True)
        self._attributes = tuple(
            (_attribute_path(name), as_source(spec, f"attributes[{name!r}]"))
            for name, spec in settings.attributes.items()
        )
        # Reading the framework's user may cost a session look-up, and here nothing would ask for it.
        self._identity_unused = (
            settings.identity is None
            and self._subject is not None
            and self._roles is not None
            and not any(source.reads_identity for source in self._all() if source is not None)
        )
        self._anonymous = settings.on_missing_identity == ANONYMOUS
        self._fallback_tenant = None if settings.on_missing_tenant == "400" else settings.on_missing_tenant
        custom = dict.fromkeys(source for source in self._all() if isinstance(source, Custom))
        self.blocking = tuple(source for source in custom if not source.asynchronous)
        """Custom sources that may block."""
        self.awaited = tuple(source for source in custom if source.asynchronous)
        """Custom sources that have to be awaited."""

    def _all(self) -> Sequence[Source | None]:
        return (
            self._identity,
            self._subject,
            self._roles,
            *self._tenants,
            *(source for _, source in self._attributes),
        )

    def context(self, view: ContextRequest, custom: CustomValues) -> RequestContext:
        """Build the context of a request; raises Refused in the contract's order (401, 400, 403, 503)."""
        attributes: dict[str, AttributeValue] = {}
        try:
            return self._context(view, custom, attributes)
        except Refused as refusal:
            refusal.attributes = attributes
            raise

    def _context(
        self, view: ContextRequest, custom: CustomValues, attributes: dict[str, AttributeValue]
    ) -> RequestContext:
        _describe_request(view, attributes)
        failures: list[Failure] = []
        identity = self._read_identity(view, custom, attributes, failures)
        tenant_failures: list[Failure] = []
        tenants = self._read_tenants(view, custom, identity, tenant_failures)
        self._describe_resource(view, attributes, failures)
        for path, source in self._attributes:
            found = _read(source, view, custom, identity, failures)
            if found is not None:
                value = _checked_value(path, found)
                if value is not None:
                    attributes[path] = value
        tenant = self._agreed(tenants, tenant_failures)
        failures += tenant_failures
        if failures:
            raise _unavailable(failures[0])
        attributes["tenant"] = tenant
        return RequestContext(tenant, attributes, time.time())

    def _read_identity(
        self,
        view: ContextRequest,
        custom: CustomValues,
        attributes: dict[str, AttributeValue],
        failures: list[Failure],
    ) -> Identity | None:
        identity = (
            None
            if self._identity_unused
            else identity_of(_read(self._identity, view, custom, None, failures))
        )
        subject: object | None = None if identity is None else identity.id
        if self._subject is not None:
            subject = _read(self._subject, view, custom, identity, failures)
            if subject is not None and not isinstance(subject, (str, int)):
                raise Refused(ProblemType.ATTRIBUTE_MALFORMED, "subject must be text")
        if subject is None or subject == "":
            if failures:
                raise _unavailable(failures[0])
            if not self._anonymous:
                raise Refused(
                    ProblemType.IDENTITY_MISSING,
                    "This resource needs an authenticated subject; none was found.",
                )
            attributes["subject.type"] = ANONYMOUS
        else:
            attributes["subject.id"] = subject if isinstance(subject, str) else str(subject)
            attributes["subject.type"] = USER
        if self._roles is not None:
            try:
                roles = text_values(_read(self._roles, view, custom, identity, failures), "roles")
            except MalformedAttribute as error:
                raise Refused(ProblemType.ATTRIBUTE_MALFORMED, str(error)) from None
        else:
            roles = () if identity is None else identity.roles
        attributes["subject.roles"] = roles
        return identity

    def _read_tenants(
        self, view: ContextRequest, custom: CustomValues, identity: Identity | None, failures: list[Failure]
    ) -> list[str]:
        tenants: list[str] = []
        for source in self._tenants:
            found = _read(source, view, custom, identity, failures)
            if found is None or found == "":
                continue
            if not isinstance(found, str) or not is_tenant_id(found):
                raise Refused(
                    ProblemType.ATTRIBUTE_MALFORMED,
                    "The tenant must be 1-128 characters of A-Za-z0-9._:@- that do not start with '_'.",
                )
            if found not in tenants:
                tenants.append(found)
        return tenants

    def _agreed(self, tenants: list[str], failures: list[Failure]) -> str:
        """Return the one tenant all sources name; `failures` are those of the tenant sources."""
        if not tenants:
            if failures:
                raise _unavailable(failures[0])
            if self._fallback_tenant is None:
                raise Refused(ProblemType.TENANT_MISSING, "The request names no tenant.")
            return self._fallback_tenant
        if len(tenants) > 1:
            raise Refused(ProblemType.TENANT_MISMATCH, "The request names more than one tenant.")
        return tenants[0]

    @staticmethod
    def _describe_resource(
        view: ContextRequest, attributes: dict[str, AttributeValue], failures: list[Failure]
    ) -> None:
        route = view.route
        if route is None:
            verb = "GET" if view.method == "HEAD" else view.method
            attributes["action"] = f"{verb} {view.path}"
            attributes["resource.tags"] = ()
            return
        attributes["action"] = route.action
        attributes["http.route"] = route.template
        attributes["resource.tags"] = route.tags
        if route.resource_type is not None:
            attributes["resource.type"] = route.resource_type
        if route.resource_id is not None:
            try:
                identifier = route.resource_id_of(view.path_params)
            except KeyError as error:
                log.error(
                    "route %s names a resource by %s, which is no parameter of it", route.template, error
                )
                failures.append(Failure(error))
            else:
                if identifier is not None:
                    attributes["resource.id"] = identifier


async def await_sources(sources: Sequence[Custom], view: SourceRequest) -> dict[Custom, object]:
    """Await every asynchronous source, one after the other; what one raises becomes its Failure."""
    values: dict[Custom, object] = {}
    for source in sources:
        try:
            values[source] = await source.read_async(view)
        except Exception as error:  # noqa: BLE001 -- whatever an application's callable raises refuses the request
            values[source] = _failed(source, error)
    return values


def run_sources(sources: Sequence[Custom], view: SourceRequest) -> dict[Custom, object]:
    """Call every synchronous source; what one raises becomes its Failure."""
    values: dict[Custom, object] = {}
    for source in sources:
        try:
            value = source.read(view, None)
            if inspect.iscoroutine(value):
                value.close()
                raise SettingsError(
                    f"the source {source.function!r} returned a coroutine; declare it `async def`"
                )
            values[source] = value
        except Exception as error:  # noqa: BLE001 -- whatever an application's callable raises refuses the request
            values[source] = _failed(source, error)
    return values


def _failed(source: Custom, error: Exception) -> Failure:
    if not isinstance(error, (CredentialError, MalformedAttribute)):
        log.error("attribute source %r raised; the request is refused", source.function, exc_info=error)
    return Failure(error)


def _read(
    source: Source,
    view: SourceRequest,
    custom: CustomValues,
    identity: Identity | None,
    failures: list[Failure],
) -> object | None:
    """Return what a source says; a broken one is remembered, so that 401 and 400 come before its 503."""
    try:
        if source.custom:
            value = custom[source]  # type: ignore[index]  # `custom` marks instances of Custom
            if not isinstance(value, Failure):
                return value
            error = value.error
        else:
            return source.read(view, identity)
    except (CredentialError, MalformedAttribute) as failed:
        error = failed
    except Exception as failed:
        log.error("reading %r raised; the request is refused", source, exc_info=failed)
        error = failed
    if isinstance(error, CredentialError):
        raise Refused(ProblemType.CREDENTIAL_INVALID, str(error))
    if isinstance(error, MalformedAttribute):
        raise Refused(ProblemType.ATTRIBUTE_MALFORMED, str(error))
    failures.append(Failure(error))
    return None


def _checked_value(path: str, found: object) -> AttributeValue | None:
    try:
        return attribute_value(path, found)
    except ContextError as error:
        raise Refused(ProblemType.ATTRIBUTE_MALFORMED, str(error)) from None


def _describe_request(view: ContextRequest, attributes: dict[str, AttributeValue]) -> None:
    attributes["http.method"] = view.method
    attributes["http.path"] = view.path
    if view.host is not None:
        attributes["http.host"] = view.host
    if view.client is not None:
        attributes["environment.ip"] = view.client


def _unavailable(failure: Failure) -> Refused:
    return Refused(
        ProblemType.ATTRIBUTE_UNAVAILABLE,
        f"An attribute of the request could not be read ({type(failure.error).__name__}).",
    )


def _attribute_path(name: str) -> str:
    path = canonical_attribute(name)
    if path is None:
        raise SettingsError(f"attributes[{name!r}]: no such attribute; paths look like 'resource.rows'")
    if path in RESERVED_ATTRIBUTES:
        hint = "use the setting of that name" if name in ALIASES else "the package fills it in itself"
        raise SettingsError(f"attributes[{name!r}]: {path} cannot be overwritten; {hint}")
    return path
