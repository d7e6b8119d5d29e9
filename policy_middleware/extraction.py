"""From a request to its context: run the configured sources, refuse what cannot be trusted."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import time
from typing import Final, Protocol

from policy_middleware.attributes import (
    BodySource,
    CredentialError,
    Custom,
    Identity,
    MalformedAttribute,
    Source,
    SourceRequest,
    WouldBlock,
    as_source,
    behind,
    framework_user,
    headers_read,
    identity_id,
    identity_of,
    identity_roles,
    text_values,
    values_in_body,
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

_MEMO_ENTRIES: Final = 4096
"""Askers that are remembered; then remembering starts afresh. Clients choose headers, so there are bounds."""
_MEMO_WEIGHT: Final = 512
"""Characters that one asker's subject, roles and tenants may have together to be remembered."""


class ContextRequest(SourceRequest, Protocol):
    """The part of a request that its context is made of; `policy_middleware.steps.RequestView` has it."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def root_path(self) -> str: ...
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


@dataclass(frozen=True, slots=True)
class _Asker:
    """Who asks, and for which tenants: what the sources of subject, roles and tenant were found to mean."""

    attributes: Mapping[str, AttributeValue]
    tenants: Sequence[str]
    failures: tuple[Failure, ...]
    unknown_tenant: Failure | None = None
    """Why a source that might have named a tenant did not."""


Gathered = Mapping[Source, object]
"""What was gathered before the other sources are read, by source: a value, or a Failure."""


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
        tenants = [as_source(spec, "tenant") for spec in specs]
        self._paths = tuple(_attribute_path(name) for name in settings.attributes)
        who = (
            identity_id() if settings.subject is None else as_source(settings.subject, "subject"),
            identity_roles() if settings.roles is None else as_source(settings.roles, "roles", many=True),
            *tenants,
        )
        further = (as_source(spec, f"attributes[{name!r}]") for name, spec in settings.attributes.items())
        self._who: tuple[Source, ...] = tuple(behind(source, settings.trusted_proxies) for source in who)
        self._further = tuple(behind(source, settings.trusted_proxies) for source in further)
        self._identity: Source | None = None
        if settings.identity is not None:
            self._identity = behind(as_source(settings.identity, "identity"), settings.trusted_proxies)
        elif any(source.reads_identity for source in (*self._who, *self._further)):
            # Otherwise nothing asks for the framework's user, and reading it may cost a session look-up.
            self._identity = framework_user()
        # The same few people ask again and again, and judging costs several times what looking up does.
        # Where headers alone tell who asks, the headers as they came are looked up, before anything is read.
        self._askers: dict[tuple[object, ...], _Asker] = {}
        self._askers_by_headers: dict[tuple[object, ...], _Asker] = {}
        self._headers_of_asker = None if self._identity is not None else headers_read(self._who)
        self._peer_tells = bool(settings.trusted_proxies)
        self._anonymous = settings.on_missing_identity == ANONYMOUS
        self._fallback_tenant = None if settings.on_missing_tenant == "400" else settings.on_missing_tenant
        sources = (self._identity, *self._who, *self._further)
        gathered = dict.fromkeys(source for source in sources if source is not None)
        custom = [source for source in gathered if isinstance(source, Custom)]
        self.in_body = tuple(source for source in gathered if isinstance(source, BodySource))
        """Sources that need the request's body."""
        self.blocking = tuple(source for source in custom if not source.asynchronous)
        """Custom sources that may block."""
        self.awaited = tuple(source for source in custom if source.asynchronous)
        """Custom sources that have to be awaited."""

    def context(self, view: ContextRequest, gathered: Gathered) -> RequestContext:
        """Build the context of a request; raises Refused in the contract's order (401, 400, 403, 503).

        Raises WouldBlock where a source has to look something up first.
        """
        attributes = _described(view)
        try:
            identity: object = None
            if self._identity is not None:
                identity = _value(self._identity, view, gathered, None, identity_of)
            asker = self._asker(view, gathered, identity)
            attributes.update(asker.attributes)
            failures = asker.failures
            route = view.route
            if route is not None and route.resource_id is not None:
                only = route.id_parameter
                try:
                    attributes["resource.id"] = (
                        route.resource_id_of(view.path_params)
                        if only is None
                        else str(view.path_params[only])
                    )
                except KeyError as error:
                    log.error("route %s names a resource by %s, no parameter of it", route.template, error)
                    failures += (Failure(error),)
            if self._further:
                failures += self._add_configured(view, gathered, identity, attributes)
            tenant = asker.tenants[0] if len(asker.tenants) == 1 else self._settled(asker)
            if failures:
                raise _unavailable(failures[0])
        except Refused as refusal:
            refusal.attributes = {**attributes, **refusal.attributes}
            raise
        attributes["tenant"] = tenant
        return RequestContext(tenant, attributes, time())

    def _add_configured(
        self, view: SourceRequest, gathered: Gathered, identity: object, attributes: dict[str, AttributeValue]
    ) -> tuple[Failure, ...]:
        """Add what the sources of further attributes give; return those that failed."""
        failures: tuple[Failure, ...] = ()
        for path, value in zip(self._paths, _read(self._further, view, gathered, identity), strict=True):
            if value.__class__ is Failure:
                failures += (_refused_or_kept(value),)
            elif value is not None:
                checked = _checked_value(path, value)
                if checked is not None:
                    attributes[path] = checked
        return failures

    def _asker(self, view: SourceRequest, gathered: Gathered, identity: object) -> _Asker:
        """Return who asks, and for which tenants, from memory when the same came before."""
        sent: tuple[object, ...] | None = None
        if self._headers_of_asker is not None:
            sent = view.single_headers(self._headers_of_asker)
            if sent is not None:
                if self._peer_tells:
                    sent += (view.client,)
                known = self._askers_by_headers.get(sent)
                if known is not None:
                    return known
        who = tuple(_read(self._who, view, gathered, identity))
        asker: _Asker | None = None
        if identity.__class__ is not Failure:
            with suppress(TypeError):  # a list of roles, say, has no hash
                asker = self._askers.get(who)
        if asker is None:
            asker = self._judged(identity, who)
            if not asker.failures and sum(map(_weight, who)) <= _MEMO_WEIGHT:
                _remember(self._askers, who, asker)
        if sent is not None and not asker.failures and sum(map(_weight, sent)) <= _MEMO_WEIGHT:
            _remember(self._askers_by_headers, sent, asker)
        return asker

    def _judged(self, identity: object, who: tuple[object, ...]) -> _Asker:
        """Judge who asks; what is certain by then is in the `attributes` of a Refused."""
        attributes: dict[str, AttributeValue] = {}
        try:
            tenants, failures = self._judge(identity, who, attributes)
        except Refused as refusal:
            refusal.attributes = attributes
            raise
        unknown = next((value for value in who[2:] if isinstance(value, Failure)), None)
        return _Asker(attributes, tenants, failures, unknown)

    def _judge(
        self, identity: object, who: tuple[object, ...], attributes: dict[str, AttributeValue]
    ) -> tuple[Sequence[str], tuple[Failure, ...]]:
        failures: tuple[Failure, ...] = ()
        if identity.__class__ is Failure:
            failures += (_refused_or_kept(identity),)
        subject, roles, *tenants = who
        if subject.__class__ is Failure:
            failures += (_refused_or_kept(subject),)
            subject = None
        if subject is None or subject == "":
            if failures:
                raise _unavailable(failures[0])
            if not self._anonymous:
                raise Refused(
                    ProblemType.IDENTITY_MISSING,
                    "This resource needs an authenticated subject; none was found.",
                )
            attributes["subject.type"] = ANONYMOUS
        elif isinstance(subject, (str, int)):
            # An enumeration's text is its value, by which it also equals what is remembered.
            attributes["subject.id"] = str.__str__(subject) if isinstance(subject, str) else str(subject)
            attributes["subject.type"] = USER
        else:
            raise Refused(ProblemType.ATTRIBUTE_MALFORMED, "The subject must be text.")
        if roles.__class__ is Failure:
            failures += (_refused_or_kept(roles),)
            roles = None
        try:
            attributes["subject.roles"] = text_values(roles, "roles")
        except MalformedAttribute as error:
            raise Refused(ProblemType.ATTRIBUTE_MALFORMED, str(error)) from None
        named: list[str] = []
        for tenant in tenants:
            if tenant.__class__ is Failure:
                failures += (_refused_or_kept(tenant),)
            elif tenant is not None and tenant != "":
                if not isinstance(tenant, str) or not is_tenant_id(tenant):
                    raise Refused(
                        ProblemType.ATTRIBUTE_MALFORMED,
                        "The tenant must be 1-128 characters of A-Za-z0-9._:@- that do not start with '_'.",
                    )
                if tenant not in named:
                    named.append(tenant)
        return named, failures

    def _settled(self, asker: _Asker) -> str:
        """Return the fallback where no tenant is named; raises Refused where several are."""
        if asker.tenants:
            raise Refused(ProblemType.TENANT_MISMATCH, "The request names more than one tenant.")
        if asker.unknown_tenant is not None:
            raise _unavailable(asker.unknown_tenant)
        if self._fallback_tenant is None:
            raise Refused(ProblemType.TENANT_MISSING, "The request names no tenant.")
        return self._fallback_tenant


def read_from_body(sources: Sequence[BodySource], body: bytes, view: SourceRequest) -> dict[Source, object]:
    """Return what each source finds in the request's body, or its Failure."""
    content_type = ",".join(view.header("content-type"))
    return {
        source: Failure(value) if isinstance(value, MalformedAttribute) else value
        for source, value in values_in_body(sources, body, content_type).items()
    }


async def await_sources(sources: Sequence[Custom], view: SourceRequest) -> dict[Source, object]:
    """Await every asynchronous source, one after the other; what one raises becomes its Failure."""
    values: dict[Source, object] = {}
    for source in sources:
        try:
            values[source] = await source.read_async(view)
        except Exception as error:  # noqa: BLE001 -- whatever an application's callable raises refuses the request
            values[source] = _failed(source, error)
    return values


def run_sources(sources: Sequence[Custom], view: SourceRequest) -> dict[Source, object]:
    """Call every synchronous source; what one raises becomes its Failure."""
    values: dict[Source, object] = {}
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


def _read(
    sources: Sequence[Source], view: SourceRequest, gathered: Gathered, identity: object
) -> list[object]:
    """Run every source; what one raises stands in its place, to be judged in its turn."""
    known = identity if isinstance(identity, Identity) else None
    if not gathered:
        try:
            return [source.read(view, known) for source in sources]
        except WouldBlock:
            raise
        except Exception:  # noqa: BLE001, S110 -- rare: found out below which source it was
            pass
    return [_value(source, view, gathered, known) for source in sources]


def _remember(askers: dict[tuple[object, ...], _Asker], key: tuple[object, ...], asker: _Asker) -> None:
    if len(askers) >= _MEMO_ENTRIES:
        askers.clear()
    askers[key] = asker


def _value(
    source: Source,
    view: SourceRequest,
    gathered: Gathered,
    identity: Identity | None,
    convert: Callable[[object], object] = lambda value: value,
) -> object:
    """Return what one source says, or its Failure."""
    try:
        value = gathered[source] if source.gathered else source.read(view, identity)
        return value if isinstance(value, Failure) else convert(value)
    except WouldBlock:
        raise
    except Exception as error:  # noqa: BLE001 -- a framework's user object may raise anything; it refuses
        return _failed(source, error)


def _failed(source: Source, error: Exception) -> Failure:
    if not isinstance(error, (CredentialError, MalformedAttribute)):
        log.error("attribute source %r raised; the request is refused", source, exc_info=error)
    return Failure(error)


def _refused_or_kept(failure: object) -> Failure:
    """Raise Refused for what the client did wrong; a broken source is kept, for its 503 comes last."""
    assert isinstance(failure, Failure)
    if isinstance(failure.error, CredentialError):
        raise Refused(ProblemType.CREDENTIAL_INVALID, str(failure.error))
    if isinstance(failure.error, MalformedAttribute):
        raise Refused(ProblemType.ATTRIBUTE_MALFORMED, str(failure.error))
    return failure


def _weight(value: object) -> float:
    """Return how much memory it takes to remember a value, in characters; only texts can be remembered.

    Other values may equal one another and still mean different things, as 1 and True do.
    """
    if value is None:
        return 0
    if value.__class__ is str or value.__class__ is bytes:
        return len(value)
    return 1 + sum(map(_weight, value)) if isinstance(value, tuple) else math.inf


def _described(view: ContextRequest) -> dict[str, AttributeValue]:
    """Say what the request does to what, and where it comes from."""
    method, path, host, client, route = view.method, view.path, view.host, view.client, view.route
    attributes: dict[str, AttributeValue]
    if route is not None:
        attributes = {**route.attributes, "http.method": method, "http.path": path}
    else:
        action = f"{'GET' if method == 'HEAD' else method} {path}"
        attributes = {"action": action, "resource.tags": (), "http.method": method, "http.path": path}
    if host is not None:
        attributes["http.host"] = host
    if client is not None:
        attributes["environment.ip"] = client
    return attributes


def _checked_value(path: str, found: object) -> AttributeValue | None:
    try:
        return attribute_value(path, found)
    except ContextError as error:
        raise Refused(ProblemType.ATTRIBUTE_MALFORMED, str(error)) from None


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
