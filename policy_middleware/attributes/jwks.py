"""The keys of a token issuer: fetched, kept, and looked up again when they rotate."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from policy_middleware.attributes.source import CredentialError, WouldBlock
from policy_middleware.model.errors import MissingExtra, PolicyError, SettingsError

if TYPE_CHECKING:
    from jwt import PyJWK

log: Final = logging.getLogger("policy_middleware")

FETCH_TIMEOUT: Final = 3.0
FRESH_FOR: Final = 3600.0
"""Seconds after which the keys are fetched again."""
USABLE_FOR: Final = 24 * 3600.0
"""Seconds for which keys that were fetched stay in use while the issuer cannot be reached."""
RETRY_AFTER: Final = 10.0
"""Seconds between two fetches at the least: unknown key ids are free to make up."""
_LARGEST: Final = 256 * 1024
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class _NoRedirects(HTTPRedirectHandler):
    """Answers a redirect with an error: whom to trust is configured, and not for another server to say."""

    def redirect_request(self, req: Request, *_: object) -> None:
        """Follow nowhere."""
        raise OSError(
            f"{req.full_url} redirects elsewhere, which is not followed; name the address of the keys itself"
        )


class KeysUnavailable(PolicyError):
    """The issuer's keys cannot be fetched and there are none young enough in memory (answered with 503)."""


class KeySet:
    """A JSON Web Key Set (RFC 7517), given as data or fetched by `fetch`; safe to share between threads."""

    def __init__(
        self,
        keys: Mapping[str, object] | None,
        fetch: Callable[[], Mapping[str, object]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._fetching = threading.Lock()
        self._attempted: float | None = None
        self._fetched: float | None = None
        self._keys: dict[str | None, PyJWK] = {} if keys is None else _parsed(keys)

    def key(self, key_id: str | None) -> PyJWK:
        """Return the key that a token names; raises CredentialError, KeysUnavailable, or WouldBlock."""
        now = self._clock()
        may_fetch = self._fetch is not None and (
            self._attempted is None or now - self._attempted >= RETRY_AFTER
        )
        key = self._chosen(key_id)
        if self._fetch is not None:
            age = None if self._fetched is None else now - self._fetched
            if may_fetch and (age is None or age >= FRESH_FOR or key is None):
                raise WouldBlock(self.refresh)
            if age is None or age >= USABLE_FOR:
                raise KeysUnavailable("the keys of the token issuer cannot be fetched")
        if key is None:
            raise CredentialError("The token is signed with a key that its issuer does not publish.")
        return key

    def refresh(self) -> None:
        """Fetch the keys, one thread at a time; what fails is logged and tried again later."""
        with self._fetching:
            now = self._clock()
            if self._fetch is None or (self._attempted is not None and now - self._attempted < RETRY_AFTER):
                return
            self._attempted = now
            try:
                self._keys = _parsed(self._fetch())
            except (OSError, HTTPException, ValueError, PolicyError) as error:
                log.error("the keys of the token issuer cannot be fetched: %s", error)
                return
            self._fetched = now

    def _chosen(self, key_id: str | None) -> PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)


def fetch_from(url: str) -> Callable[[], Mapping[str, object]]:
    """Return what fetches a key set over HTTPS; raises SettingsError for another scheme (but to loopback)."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise SettingsError(f"jwt_bearer: fetch keys over https, not from {url!r}")

    opener = build_opener(_NoRedirects)

    def fetch() -> Mapping[str, object]:
        request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 -- the scheme is checked above
        with opener.open(request, timeout=FETCH_TIMEOUT) as response:
            raw = response.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise ValueError(f"{url} answers with more than {_LARGEST} bytes")
        keys = json.loads(raw)
        if not isinstance(keys, dict):
            raise ValueError(f"{url} answers with something that is no key set")
        return keys

    return fetch


def _parsed(keys: Mapping[str, object]) -> dict[str | None, PyJWK]:
    try:
        from jwt import PyJWKSet
        from jwt.exceptions import PyJWTError
    except ImportError:
        raise MissingExtra("jwt", "jwt_bearer") from None
    try:
        return {key.key_id: key for key in PyJWKSet.from_dict(dict(keys)).keys}
    except (PyJWTError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no JSON Web Key Set ({error})") from error
