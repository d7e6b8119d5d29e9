"""FastAPI behind a proxy that authenticates: `uvicorn examples.auth.proxy_headers:app --no-proxy-headers`.

The proxy replaces `X-Auth-User`, `X-Auth-Roles` and `X-Auth-Site` on every request. `TRUSTED_PROXIES` names
the addresses it connects from; from anywhere else these headers are what anybody may claim and count for
nothing. The policy is in proxy_headers.json.
"""

from __future__ import annotations

import os

from fastapi import FastAPI

from policy_middleware import PolicyEnforcer, policy_action
from policy_middleware.attributes import header
from policy_middleware_fastapi import PolicyMiddleware

app = FastAPI(title="Meters")
app.add_middleware(
    PolicyMiddleware,
    enforcer=PolicyEnforcer.from_url(os.environ.get("POLICY_STORE_URL", "redis://localhost:6379/0")),
    subject=header("X-Auth-User"),
    roles=header("X-Auth-Roles"),
    tenant=header("X-Auth-Site"),
    trusted_proxies=os.environ.get("TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8"),
)


@app.get("/meters/{meter}")
@policy_action("meter.read", resource="meter:{meter}")
async def read(meter: str) -> dict[str, object]:
    """Read a meter."""
    return {"meter": meter, "kilowatt_hours": 1234}


@app.post("/meters/{meter}/reset")
@policy_action("meter.reset", resource="meter:{meter}")
async def reset(meter: str) -> dict[str, object]:
    """Set a meter to zero."""
    return {"meter": meter, "kilowatt_hours": 0}
