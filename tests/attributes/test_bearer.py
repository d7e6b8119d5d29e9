from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from policy_middleware.attributes import (
    CredentialError,
    Identity,
    MalformedAttribute,
    Source,
    WouldBlock,
    jwt_bearer,
)
from policy_middleware.attributes.jwks import (
    FRESH_FOR,
    RETRY_AFTER,
    USABLE_FOR,
    KeySet,
    KeysUnavailable,
    fetch_from,
)
from policy_middleware.model.errors import SettingsError
from tests.requests import FakeRequest

SECRET = "s" * 64
RSA = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
CHECKED: dict[str, Any] = {"issuer": "https://issuer.example", "audience": "api"}


def _claims(**changes: object) -> dict[str, Any]:
    claims = {
        "sub": "ana",
        "iss": "https://issuer.example",
        "aud": "api",
        "exp": time.time() + 60,
        "roles": ["dpo"],
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def _token(key: Any = SECRET, algorithm: str = "HS256", key_id: str | None = None, **changes: object) -> str:
    return jwt.encode(_claims(**changes), key, algorithm, headers={"kid": key_id} if key_id else None)


def _key_set(*keys: tuple[str, rsa.RSAPrivateKey]) -> dict[str, Any]:
    return {
        "keys": [
            {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": key_id, "use": "sig", "alg": "RS256"}
            for key_id, key in keys
        ]
    }


def _read(source: Source, token: str | None, scheme: str = "Bearer") -> Identity | None:
    headers = [] if token is None else [("authorization", f"{scheme} {token}")]
    found = source.read(FakeRequest(headers=headers), None)
    assert found is None or isinstance(found, Identity)
    return found


@pytest.fixture
def shared() -> Source:
    return jwt_bearer(SECRET, algorithms=["HS256"], **CHECKED)


def test_a_verified_token_is_an_identity(shared: Source) -> None:
    identity = _read(shared, _token(org="acme"))
    assert identity is not None
    assert (identity.id, identity.roles, identity.claims["org"]) == ("ana", ("dpo",), "acme")


def test_a_public_key_verifies_what_its_private_key_signed() -> None:
    source = jwt_bearer(PEM, algorithms=["RS256"], **CHECKED)
    assert _read(source, _token(RSA, "RS256")) is not None
    with pytest.raises(CredentialError):
        _read(source, _token(OTHER, "RS256"))


@pytest.mark.parametrize("scheme", ["Basic", "bearerish", ""])
def test_another_scheme_is_no_identity(shared: Source, scheme: str) -> None:
    assert _read(shared, _token(), scheme) is None
    assert _read(shared, None) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": time.time() - 3600},
        {"exp": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"nbf": time.time() + 3600},
        {"sub": None},
        {"sub": ""},
        {"roles": 5},
        {"roles": [{"x": 1}]},
    ],
)
def test_a_token_with_wrong_claims_does_not_verify(shared: Source, changes: dict[str, object]) -> None:
    with pytest.raises(CredentialError):
        _read(shared, _token(**changes))


def test_the_clock_may_be_off_by_the_leeway() -> None:
    source = jwt_bearer(SECRET, algorithms=["HS256"], leeway=120, **CHECKED)
    assert _read(source, _token(exp=time.time() - 60)) is not None


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "ä.b.c", "." * 20_000])
def test_a_malformed_token_does_not_verify(shared: Source, token: str) -> None:
    with pytest.raises(CredentialError):
        _read(shared, token)


def test_an_unsigned_token_or_one_of_another_algorithm_does_not_verify(shared: Source) -> None:
    with pytest.raises(CredentialError):
        _read(shared, jwt.encode(_claims(), None, "none"))  # type: ignore[arg-type]  # what a forger would do
    with pytest.raises(CredentialError):
        _read(shared, _token(SECRET, "HS512"))


def test_a_public_key_is_never_used_as_a_secret() -> None:
    with pytest.raises(SettingsError):
        jwt_bearer(PEM, algorithms=["HS256"], **CHECKED)
    with pytest.raises(SettingsError, match="together"):
        jwt_bearer(PEM, algorithms=["RS256", "HS256"], **CHECKED)
    with pytest.raises(SettingsError, match="key set is public"):
        jwt_bearer(_key_set(("a", RSA)), algorithms=["HS256"], **CHECKED)


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (SECRET, []),
        (SECRET, "HS256"),
        (SECRET, ["none"]),
        (SECRET, ["XX"]),
        ("short", ["HS256"]),
        ("x" * 40, ["RS256"]),
        ("http://issuer.example/keys", ["RS256"]),
        ({"nothing": []}, ["RS256"]),
    ],
)
def test_settings_that_cannot_be_safe_are_refused(key: Any, algorithms: Any) -> None:
    with pytest.raises(SettingsError):
        jwt_bearer(key, algorithms=algorithms, **CHECKED)


def test_two_authorization_headers_are_malformed(shared: Source) -> None:
    with pytest.raises(MalformedAttribute):
        shared.read(FakeRequest(headers=[("authorization", "Bearer a"), ("authorization", "Bearer b")]), None)


def test_roles_may_be_text_with_blanks() -> None:
    source = jwt_bearer(SECRET, algorithms=["HS256"], roles_claim="scope", **CHECKED)
    identity = _read(source, _token(scope="read write"))
    assert identity is not None
    assert identity.roles == ("read", "write")


def test_a_key_set_is_chosen_from_by_key_id() -> None:
    source = jwt_bearer(_key_set(("a", RSA), ("b", OTHER)), algorithms=["RS256"], **CHECKED)
    assert _read(source, _token(OTHER, "RS256", "b")) is not None
    for key_id in ("a", "c", None):
        with pytest.raises(CredentialError):
            _read(source, _token(OTHER, "RS256", key_id))


# -- keys by URL -----------------------------------------------------------------------------------------


class Issuer:
    """A server of a key set that can be changed and broken."""

    def __init__(self) -> None:
        issuer = self
        self.keys: Mapping[str, Any] | None = _key_set(("a", RSA))
        self.asked = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                self.send_response(200 if issuer.keys else 500)
                self.end_headers()
                self.wfile.write(json.dumps(issuer.keys).encode())

            def log_message(self, *args: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.stop()


def _read_blocking(source: Source, token: str) -> Identity | None:
    try:
        return _read(source, token)
    except WouldBlock as waiting:
        waiting.look_up()
        return _read(source, token)


def test_keys_are_fetched_where_blocking_is_allowed_and_then_kept(issuer: Issuer) -> None:
    source = jwt_bearer(issuer.url, algorithms=["RS256"], **CHECKED)
    token = _token(RSA, "RS256", "a")
    with pytest.raises(WouldBlock):
        _read(source, token)
    assert issuer.asked == 0
    assert _read_blocking(source, token) is not None
    assert _read(source, token) is not None
    assert issuer.asked == 1


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _keys(keys: KeySet, key_id: str) -> object:
    try:
        return keys.key(key_id)
    except WouldBlock as waiting:
        waiting.look_up()
        return keys.key(key_id)


def test_an_unknown_key_id_fetches_again_but_not_without_end() -> None:
    published = [_key_set(("a", RSA))]
    fetched: list[None] = []

    def fetch() -> Mapping[str, object]:
        fetched.append(None)
        return published[-1]

    clock = Clock()
    keys = KeySet(None, fetch, clock)
    assert _keys(keys, "a")
    published.append(_key_set(("a", RSA), ("b", OTHER)))
    for _ in range(5):
        with pytest.raises(CredentialError):
            _keys(keys, "b")
    assert len(fetched) == 1
    clock.now += RETRY_AFTER
    assert _keys(keys, "b")
    assert len(fetched) == 2


def test_keys_outlive_an_issuer_that_is_away_for_a_while() -> None:
    clock = Clock()
    away = False

    def fetch() -> Mapping[str, object]:
        if away:
            raise OSError("unreachable")
        return _key_set(("a", RSA))

    keys = KeySet(None, fetch, clock)
    assert _keys(keys, "a")
    away = True
    clock.now += FRESH_FOR
    assert _keys(keys, "a")
    clock.now += USABLE_FOR
    with pytest.raises(KeysUnavailable):
        _keys(keys, "a")
    away = False
    clock.now += RETRY_AFTER
    assert _keys(keys, "a")


def test_an_issuer_that_was_never_reached_is_an_outage_and_no_401(issuer: Issuer) -> None:
    issuer.keys = None
    source = jwt_bearer(issuer.url, algorithms=["RS256"], **CHECKED)
    with pytest.raises(KeysUnavailable):
        _read_blocking(source, _token(RSA, "RS256", "a"))


def test_keys_are_not_fetched_from_where_a_redirect_leads(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", issuer.url)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        keys = KeySet(None, fetch_from(f"http://127.0.0.1:{server.server_port}/keys"))
        keys.refresh()
        thread.join()
    assert issuer.asked == 0
    assert "redirects elsewhere, which is not followed" in caplog.text
