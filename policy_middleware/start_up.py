"""What an operator should know before the first request: settings that work, but not as one may believe."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from policy_middleware.attributes import Source, believes_anybody
from policy_middleware.settings import EnforcerSettings, GateSettings

log: Final = logging.getLogger("policy_middleware")


def remarks(gate: GateSettings, enforcer: EnforcerSettings) -> Iterator[str]:
    """Yield a sentence with a remedy for every setting that deserves one."""
    trusting = [
        name
        for name, spec in (("tenant", gate.tenant), ("subject", gate.subject), ("roles", gate.roles))
        for one in (spec if isinstance(spec, (list, tuple)) else (spec,))
        if isinstance(one, Source) and believes_anybody(one)
    ]
    if trusting and not gate.trusted_proxies:
        yield (
            f"{', '.join(dict.fromkeys(trusting))} come from headers that anybody may send: set "
            "trusted_proxies to the addresses of the proxy that replaces them, or take the identity from "
            "a verified token"
        )
    if gate.mode == "observe":
        yield "mode is 'observe': nothing is enforced, every request passes; set mode='enforce' to enforce"
    if enforcer.on_store_failure == "allow":
        yield (
            "on_store_failure is 'allow': while the policy store is away longer than max_stale, every "
            "request passes; 'deny' answers 503 instead"
        )
    if enforcer.on_missing_policy == "allow":
        yield (
            "on_missing_policy is 'allow': a tenant without a document may do everything; 'default' lets the "
            "document _default decide"
        )
    if enforcer.store_url.startswith("memory://"):
        yield (
            "the policies live in this process's memory (memory://): other workers do not see them and they "
            "are gone when it ends; name a store with store_url or POLICY_STORE_URL"
        )


def tell(gate: GateSettings, enforcer: EnforcerSettings) -> None:
    """Log every remark once, as one warning each."""
    for remark in remarks(gate, enforcer):
        log.warning("start-up: %s", remark)
