"""What an operator should know before the first request: a set-up that works, but not as one may believe."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from policy_middleware.attributes import Source, believes_anybody
from policy_middleware.settings import EnforcerSettings, GateSettings

log: Final = logging.getLogger("policy_middleware")

UVICORN_BELIEVES: Final = "127.0.0.1"
"""Whose X-Forwarded-For uvicorn puts in place of the peer's address unless it is told otherwise."""
_BELIEVES_OPTION: Final = "--forwarded-allow-ips"
_BELIEVES_NOBODY: Final = "--no-proxy-headers"
_BELIEVES_VARIABLE: Final = "FORWARDED_ALLOW_IPS"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is not as it seems, or does not work: what it concerns, what it is like, what to do."""

    subject: str
    finding: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.finding}: {self.remedy}"


def remarks(gate: GateSettings, enforcer: EnforcerSettings) -> Iterator[Remark]:
    """Yield a remark for every setting that deserves one."""
    yield from _trust(gate)
    if gate.mode == "observe":
        yield Remark(
            "mode",
            "mode is 'observe': nothing is enforced, every request passes",
            "set mode='enforce' to enforce",
        )
    if gate.expose == "debug":
        yield Remark(
            "expose",
            "expose is 'debug': whoever is denied reads which rule decided",
            "leave it out where strangers can ask",
        )
    if enforcer.on_store_failure == "allow":
        yield Remark(
            "on_store_failure",
            "on_store_failure is 'allow': every request passes while the store is away longer than max_stale",
            "'deny' answers 503 instead",
        )
    if enforcer.on_missing_policy == "allow":
        yield Remark(
            "on_missing_policy",
            "on_missing_policy is 'allow': a tenant without a document may do everything",
            "'default' lets the document _default decide",
        )
    if enforcer.store_url.startswith("memory://"):
        yield Remark(
            "store_url",
            "the policies live in this process's memory (memory://): other workers do not see them and they "
            "are gone when it ends",
            "name a store with store_url or POLICY_STORE_URL",
        )


def tell(gate: GateSettings, enforcer: EnforcerSettings) -> None:
    """Log every remark on the settings."""
    log_remarks(remarks(gate, enforcer))


def log_remarks(found: Iterable[Remark]) -> None:
    """Log each remark as one warning."""
    for remark in found:
        log.warning("start-up: %s", remark)


def debug_pages() -> Remark:
    """Return the remark on an application in debug mode."""
    return Remark(
        "debug",
        "the application is in debug mode: its error pages show source code and variables, unmasked, to "
        "whoever causes an error",
        "switch debug off where strangers can ask",
    )


def rewritten_peers(
    gate: GateSettings, environ: Mapping[str, str] | None = None, arguments: Sequence[str] | None = None
) -> Iterator[Remark]:
    """Remark on proxies that are trusted for headers while uvicorn hides their addresses.

    uvicorn puts what X-Forwarded-For says in place of the address of proxies that it believes; who is behind
    them is then no trusted proxy, and nobody's headers are believed.
    """
    believed = _believed_by_uvicorn(
        os.environ if environ is None else environ, sys.argv if arguments is None else arguments
    )
    hidden = [str(network) for network in gate.trusted_proxies if any(map(network.overlaps, believed))]
    if hidden and _has_header_source(gate):
        yield Remark(
            "trusted_proxies",
            f"the server replaces the address of {', '.join(hidden)} by what X-Forwarded-For says, so "
            "trusted_proxies may never match, and everybody is answered 401",
            f"start uvicorn with {_BELIEVES_NOBODY}",
        )


def _trust(gate: GateSettings) -> Iterator[Remark]:
    trusting = [
        name
        for name, spec in (("tenant", gate.tenant), ("subject", gate.subject), ("roles", gate.roles))
        for one in (spec if isinstance(spec, (list, tuple)) else (spec,))
        if isinstance(one, Source) and believes_anybody(one)
    ]
    if trusting and not gate.trusted_proxies:
        yield Remark(
            "trusted_proxies",
            f"{', '.join(dict.fromkeys(trusting))} come from headers that anybody may send",
            "set trusted_proxies to the addresses of the proxy that replaces them, or take the identity from "
            "a verified token",
        )


def _has_header_source(gate: GateSettings) -> bool:
    specs = (gate.tenant, gate.subject, gate.roles, gate.identity)
    return any(
        isinstance(one, Source) and believes_anybody(one)
        for spec in specs
        for one in (spec if isinstance(spec, (list, tuple)) else (spec,))
    )


def _believed_by_uvicorn(
    environ: Mapping[str, str], arguments: Sequence[str]
) -> list[IPv4Network | IPv6Network]:
    """Return whose X-Forwarded-For uvicorn believes in this process; nobody's where there is no uvicorn."""
    if "uvicorn" not in sys.modules or _BELIEVES_NOBODY in arguments:
        return []
    said = environ.get(_BELIEVES_VARIABLE, UVICORN_BELIEVES)
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == _BELIEVES_OPTION:
            said = value or next(iter(arguments[position + 1 :]), said)
    if "*" in said:
        return [ip_network("0.0.0.0/0"), ip_network("::/0")]
    found = []
    for part in said.split(","):
        try:
            found.append(ip_network(part.strip()))
        except ValueError:  # a host name or a socket's path, which no peer's address is compared with
            continue
    return found
