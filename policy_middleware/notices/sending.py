"""One attempt to deliver a notice by HTTP."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TIMEOUT: Final = 10.0
"""Seconds for connecting, and for every read."""
_LONGEST_PAUSE: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it: the status, or why there is none; `retry_after` is what the receiver asked for."""

    status: int | None
    problem: str = ""
    retry_after: float | None = None

    @property
    def delivered(self) -> bool:
        """True when the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """True when the receiver wants no more of them, which is what 410 means to Standard Webhooks."""
        return self.status == 410


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A receiver that moves has to be configured anew: following would send what was signed to strangers."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_opener: Final = urllib.request.build_opener(_NoRedirect)


def post(url: str, body: str, headers: Mapping[str, str]) -> Attempt:
    """Send a body once; whatever goes wrong is part of what is returned."""
    # The scheme was checked when the webhook was made.
    request = urllib.request.Request(url, body.encode("ascii"), dict(headers), method="POST")  # noqa: S310
    try:
        with _opener.open(request, timeout=TIMEOUT) as response:
            return Attempt(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return Attempt(error.code, f"status {error.code}", _seconds(error.headers.get("Retry-After")))
    except (OSError, http.client.HTTPException) as error:
        return Attempt(None, f"{type(error).__name__}: {error}")


def _seconds(value: str | None) -> float | None:
    if value is None or not (value.isascii() and value.isdigit()) or len(value) > 9:
        return None
    return min(float(value), _LONGEST_PAUSE)
