"""Is a form sent from one of our own pages? Cross-site request forgery, refused without any token.

Fetch Metadata says so in every current browser (a complete defence by the OWASP cheat sheet on CSRF); for
the others there is the Origin header. A request with neither comes from no browser that we know of, and is
refused.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from policy_middleware.console.page_request import PageRequest

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_from_our_page(request: PageRequest, public_url: str | None) -> bool:
    """True for a request that a page of this origin has made.

    Without Sec-Fetch-Site, Origin has to equal `public_url`, or name the host that the request is sent to:
    a page elsewhere can make a browser send neither another Origin nor another Host than the true ones.
    """
    site = request.headers.get("sec-fetch-site", ())
    if site:
        return tuple(site) == ("same-origin",)
    origin = _origin(request.header("origin"))
    if origin is None:
        return False
    if public_url is not None:
        return origin == _origin(public_url)
    host = request.header("host")
    return host is not None and origin == _origin(f"{origin[0]}://{host}")


def _origin(url: str | None) -> tuple[str, str, int] | None:
    """Return scheme, host and port; None for what has none, such as the Origin `null`."""
    try:
        parts = urlsplit(url or "")
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if parts.hostname is None or port is None:
        return None
    return parts.scheme, parts.hostname, port
