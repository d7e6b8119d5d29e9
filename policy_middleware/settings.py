"""One settings model: Python arguments, the environment, Django's dict and Flask's config all end here."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from policy_middleware.model.errors import SettingsError
from policy_middleware.model.vocabulary import is_tenant_id

ENVIRONMENT_PREFIX: Final = "POLICY_"

SHOWN_BODY: Final = 4096
"""Characters of a body that approvers are shown where there is an inbox."""

DEFAULT_EXEMPT: Final = ("/healthz", "/livez", "/readyz", "/favicon.ico")


def _comma_separated(value: object) -> object:
    """Let the environment write a list as `a,b`."""
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


Paths = Annotated[tuple[str, ...], BeforeValidator(_comma_separated)]


def _networks(value: object) -> object:
    parts = _comma_separated(value)
    if not isinstance(parts, (list, tuple)):
        return parts
    try:
        return tuple(ip_network(part) if isinstance(part, str) else part for part in parts)
    except ValueError as error:
        raise ValueError(f"{error}; give addresses or networks such as 10.0.0.0/8") from None


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]


def _from_hex(value: object) -> object:
    """Let the environment write a secret in hexadecimal digits."""
    if not isinstance(value, str):
        return value
    try:
        return bytes.fromhex(value.strip())
    except ValueError:
        raise ValueError("must be written in hexadecimal digits") from None


Secret = Annotated[bytes, BeforeValidator(_from_hex), Field(min_length=16)]
"""Bytes in Python, hexadecimal digits in the environment; never shown, not even in errors."""
SinkSpec = str | Callable[..., object] | Sequence[str | Callable[..., object]]
SourceSpec = object
"""A source, a callable, a dotted path, or (for `tenant`) a list of these; resolved by attributes.py."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @classmethod
    def load(cls, explicit: Mapping[str, object], environ: Mapping[str, str] | None = None) -> Self:
        """Build the settings: what is given explicitly wins over `POLICY_*` in the environment.

        Raises SettingsError naming the setting and, for an unknown one, the nearest known name.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, object] = {
            name: environ[ENVIRONMENT_PREFIX + name.upper()]
            for name in cls.model_fields
            if ENVIRONMENT_PREFIX + name.upper() in environ
        }
        values.update(explicit)
        try:
            return cls(**values)
        except ValidationError as error:
            raise SettingsError("; ".join(_sentence(cls, dict(item)) for item in error.errors())) from None


class EnforcerSettings(_Settings):
    """Where policies come from, and what holds while they cannot be had."""

    store_url: str = Field(default="memory://", repr=False)
    """Not shown with the settings, because it may hold a password."""
    key_prefix: str = "policy:"
    engine: Literal["local"] = "local"
    decision_log: SinkSpec = "auto"
    on_missing_policy: Literal["deny", "default", "allow"] = "deny"
    on_store_failure: Literal["deny", "allow"] = "deny"
    max_stale: float = Field(default=30.0, ge=0)
    """Seconds for which the last good documents are served while the store is away."""
    require_global: bool = False
    max_tenants: int = Field(default=1000, ge=1)
    max_document_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    decision_log_queue: int = Field(default=10_000, ge=1)
    """Records that may wait for the writer; what comes beyond is counted and reported as a gap."""
    on_log_failure: Literal["record_gap", "refuse"] = "record_gap"
    """While a record may be lost: go on, and say in the log what is missing, or refuse requests."""
    decision_log_strict: bool = False
    """Run a handler only when every sink has the record of its decision."""
    decision_log_spill: Path | None = None
    """Directory where records wait while Redis is away; None: see `docs/decision-log.md`."""
    decision_log_sample: float = Field(default=1.0, ge=0, le=1)
    """Share of plain allows that are recorded; everything else always is."""
    decision_log_erase: Paths = ()
    """JSON Pointers of what records leave out, such as `/input/subject.id`."""
    decision_log_mask: Paths = ()
    """JSON Pointers of what records show as `***`."""
    decision_log_trace: Literal["off", "traceparent", "opentelemetry"] = "off"
    """Where the trace that a record names comes from."""
    decision_log_metrics: bool = False
    """Record how long each evaluation took."""
    metrics: bool = False
    """Keep figures for Prometheus."""
    metrics_registry: object = None
    """The prometheus_client.CollectorRegistry that they are kept in; None: the library's own."""
    metrics_tenants: bool = False
    """Tell tenants apart in figures: one time series for each that has a document."""
    opentelemetry: bool = False
    """Tell OpenTelemetry: events on the request's span, spans for what takes time, and figures."""
    mask_secret: Secret | None = Field(default=None, repr=False)
    """At least 32 bytes; each tenant's key for hash, tokenize, date_shift and encrypt is derived from it."""
    mask_key: Callable[[str], bytes] | None = Field(default=None, repr=False)
    """Instead of `mask_secret`: returns a tenant's mask key, at least 16 bytes; asked once per process."""
    decision_log_key: Secret | None = Field(default=None, repr=False)
    """Seals records, so that `policyctl log verify` finds whatever is changed or missing."""
    decision_log_signing_key: Secret | None = Field(default=None, repr=False)
    """Ed25519 private key of 32 bytes: signs checkpoints that can be verified without `decision_log_key`."""
    on_approval: object = ()
    """Who hears of approvals: a callable of one ApprovalEvent, a dotted path, or several of these."""
    approval_webhook: str | None = Field(default=None, repr=False)
    """Where every step of an approval is posted to."""
    approval_webhook_secret: str | None = Field(default=None, repr=False)
    """What that is signed with: `whsec_` and base64 of at least 24 random bytes (Standard Webhooks)."""
    max_open_approvals: int = Field(default=1000, ge=1)
    """Approvals of one tenant that may be pending, or approved and not used."""
    max_open_approvals_per_requester: int = Field(default=50, ge=1)
    max_ended_approvals: int = Field(default=10_000, ge=1)
    """Ended approvals of one tenant that are kept to be looked up."""
    keep_ended_approvals: float = Field(default=30 * 86400.0, gt=0)
    """Seconds for which they are kept at most."""
    require_replica_ack: bool = False
    """Run an approved request only when a replica has confirmed that its approval is used up."""


class GateSettings(_Settings):
    """How a request becomes a context, and what the client is told."""

    tenant: SourceSpec = None
    subject: SourceSpec = None
    roles: SourceSpec = None
    identity: SourceSpec = None
    attributes: Mapping[str, SourceSpec] = Field(default_factory=dict)
    routes: Mapping[str, object] = Field(default_factory=dict)
    exempt: Paths = DEFAULT_EXEMPT
    prefix: str = "/_policy"
    approver: SourceSpec = None
    """Who is in front of the inbox: a callable of the request returns an Approver, or None for nobody."""
    inbox: bool | None = None
    """Serve the inbox page; None: where there is an `approver`."""
    approval_body: int | None = Field(default=None, ge=0)
    """Characters of a body that approvers are shown, redacted; None: 4096 where there is an inbox, else 0."""
    mode: Literal["enforce", "observe"] = "enforce"
    metrics_page: bool = False
    """Serve the figures for Prometheus under the prefix, to anybody who can reach it."""
    on_missing_identity: Literal["401", "anonymous"] = "401"
    on_missing_tenant: str = "400"
    public_url: str | None = None
    expose: Literal["reason", "debug"] = "reason"
    trusted_proxies: Networks = ()
    """Peers whose headers are believed, as addresses or networks; empty: everybody's are."""
    max_body: int = Field(default=1024 * 1024, ge=0)
    """Bytes of a request body that are read to bind an approval to it."""
    max_wait: float = Field(default=30.0, ge=0)
    """Seconds for which a client may wait for an approval within its request (`Prefer: wait`)."""
    approval_ignores: Paths = ()
    """Configured attributes that may differ between a request and its replay, such as `context.trace_id`."""
    max_masked_body: int = Field(default=16 * 1024 * 1024, ge=1)
    """Bytes of a response body that may be held for masking."""

    @property
    def shown_body(self) -> int:
        """How many characters of a body are kept for approvers; 0 for none of it."""
        if self.approval_body is not None:
            return self.approval_body
        return 0 if self.approver is None or self.inbox is False else SHOWN_BODY

    def model_post_init(self, context: Any) -> None:
        """Check what types cannot say."""
        if not self.prefix.startswith("/") or self.prefix.endswith("/"):
            raise SettingsError(f"prefix: {self.prefix!r} must start with '/' and not end with one")
        for path in self.exempt:
            if not path.startswith("/") or not path.strip("/"):
                raise SettingsError(
                    f"exempt: {path!r} must be a path such as '/healthz'; '/' would exempt everything"
                )
        if self.on_missing_tenant != "400" and not is_tenant_id(self.on_missing_tenant):
            raise SettingsError(
                f"on_missing_tenant: {self.on_missing_tenant!r} is neither '400' nor a tenant id"
            )
        if self.public_url is not None and not self.public_url.startswith(("http://", "https://")):
            raise SettingsError(f"public_url: {self.public_url!r} must start with http:// or https://")


ENFORCER_SETTINGS: Final = frozenset(EnforcerSettings.model_fields)
GATE_SETTINGS: Final = frozenset(GateSettings.model_fields)


def check_names(names: Iterable[str]) -> None:
    """Raise SettingsError for the first name that is no setting, with the nearest one that is."""
    known = ENFORCER_SETTINGS | GATE_SETTINGS | {"enforcer"}
    for name in names:
        if name not in known:
            raise SettingsError(_unknown(name, known))


def _unknown(name: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
    return f"unknown setting {name!r}: {hint}"


def _sentence(cls: type[_Settings], error: Mapping[str, Any]) -> str:
    name = str(error["loc"][0]) if error["loc"] else "settings"
    if error["type"] == "extra_forbidden":
        return _unknown(name, frozenset(cls.model_fields))
    message = error["msg"].removeprefix("Value error, ")
    sentence = f"{name}: {message[:1].lower()}{message[1:]}"
    field = cls.model_fields.get(name)
    return sentence if field is not None and not field.repr else f"{sentence}, not {error['input']!r}"
