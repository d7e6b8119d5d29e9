"""Identity from a bearer token (RFC 6750) that is a JSON Web Token: verified, never merely decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from policy_middleware.attributes.jwks import KeySet, fetch_from
from policy_middleware.attributes.source import (
    CredentialError,
    Identity,
    MalformedAttribute,
    Source,
    SourceRequest,
)
from policy_middleware.model.errors import MissingExtra, SettingsError

if TYPE_CHECKING:
    from jwt import PyJWK

_LONGEST: Final = 16 * 1024
"""Characters of a token; servers allow headers of about this size."""

_SYMMETRIC: Final = "HS"


def jwt_bearer(
    key: str | bytes | Mapping[str, object],
    *,
    issuer: str,
    audience: str | Sequence[str],
    algorithms: Sequence[str],
    leeway: float = 30.0,
    id_claim: str = "sub",
    roles_claim: str = "roles",
    header: str = "Authorization",
) -> Source:
    """Take the identity from a verified bearer token; a token that does not verify is answered with 401.

    `key` is a shared secret or a public key in PEM, a JSON Web Key Set as data, or the `https://` URL of one
    (fetched in a worker thread, kept for an hour, fetched again when an unknown key id appears). Signature,
    `iss`, `aud`, `exp` (mandatory), `nbf` and `iat` are checked; `leeway` is the clock skew allowed, in
    seconds. Algorithms are those listed here and never what the token claims. Roles are a list, or text with
    blanks between them (`scope`). Raises SettingsError, and MissingExtra without the extra `jwt`.
    """
    try:
        import jwt
    except ImportError:
        raise MissingExtra("jwt", "jwt_bearer") from None
    _check_algorithms(algorithms, jwt.algorithms.get_default_algorithms())
    keys: KeySet | None = None
    fixed: str | bytes | None = None
    if isinstance(key, Mapping):
        try:
            keys = KeySet(key)
        except ValueError as error:
            raise SettingsError(f"jwt_bearer: {error}") from None
    elif isinstance(key, str) and key.startswith(("https://", "http://")):
        keys = KeySet(None, fetch_from(key))
    else:
        fixed = key
        _check_key(fixed, algorithms)
    if keys is not None and algorithms[0].startswith(_SYMMETRIC):
        raise SettingsError("jwt_bearer: a key set is public, so its algorithms cannot be HS...")
    return _Bearer(
        fixed, keys, issuer, audience, tuple(algorithms), leeway, id_claim, roles_claim, header.lower()
    )


class _Bearer(Source):
    __slots__ = (
        "_algorithms",
        "_audience",
        "_fixed",
        "_header",
        "_id_claim",
        "_issuer",
        "_keys",
        "_leeway",
        "_roles_claim",
    )

    def __init__(
        self,
        fixed: str | bytes | None,
        keys: KeySet | None,
        issuer: str,
        audience: str | Sequence[str],
        algorithms: tuple[str, ...],
        leeway: float,
        id_claim: str,
        roles_claim: str,
        header: str,
    ) -> None:
        self._fixed, self._keys = fixed, keys
        self._issuer, self._audience, self._algorithms, self._leeway = issuer, audience, algorithms, leeway
        self._id_claim, self._roles_claim, self._header = id_claim, roles_claim, header

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        token = self._token(request)
        if token is None:
            return None
        claims = self._verified(token)
        subject = claims.get(self._id_claim)
        if not isinstance(subject, str) or not subject:
            raise CredentialError(f"The token names no subject in {self._id_claim!r}.")
        return Identity(subject, roles_in_claim(claims.get(self._roles_claim)), claims)

    def _token(self, request: SourceRequest) -> str | None:
        values = request.header(self._header)
        if not values:
            return None
        if len(values) > 1:
            raise MalformedAttribute(f"the header {self._header} is given {len(values)} times; send it once")
        scheme, _, token = values[0].strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        if not token or len(token) > _LONGEST or not token.isascii():
            raise CredentialError("The bearer token is malformed.")
        return token

    def _verified(self, token: str) -> Mapping[str, object]:
        import jwt

        try:
            key: str | bytes | PyJWK
            if self._keys is None:
                assert self._fixed is not None
                key = self._fixed
            else:
                key = self._keys.key(_key_id(jwt.get_unverified_header(token)))
            claims: Mapping[str, object] = jwt.decode(
                token,
                key,
                algorithms=list(self._algorithms),
                issuer=self._issuer,
                audience=self._audience,
                leeway=self._leeway,
                options={"require": ["exp"]},
            )
        except jwt.ExpiredSignatureError:
            raise CredentialError("The token has expired.") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            # What exactly is wrong with a signature helps nobody but its forger.
            raise CredentialError("The token does not verify.") from None
        return claims


def _key_id(header: Mapping[str, object]) -> str | None:
    key_id = header.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        raise CredentialError("The token does not verify.")
    return key_id


def roles_in_claim(value: object) -> tuple[str, ...]:
    """Return the roles in a claim: a list, or text with blanks between them; raises CredentialError."""
    if isinstance(value, str):
        return tuple(value.split())
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(role, str) for role in value):
        return tuple(value)
    raise CredentialError("The token's roles are not a list of texts.")


def _check_algorithms(algorithms: Sequence[str], known: Mapping[str, object]) -> None:
    if isinstance(algorithms, str) or not algorithms:
        raise SettingsError("jwt_bearer: list the algorithms you accept, such as algorithms=['RS256']")
    for algorithm in algorithms:
        if algorithm not in known or algorithm == "none":
            raise SettingsError(f"jwt_bearer: {algorithm!r} is no algorithm that can be accepted")
    if len({algorithm.startswith(_SYMMETRIC) for algorithm in algorithms}) > 1:
        raise SettingsError(
            "jwt_bearer: HS... and public-key algorithms together would let a public key be used as a secret"
        )


def _check_key(key: str | bytes, algorithms: Sequence[str]) -> None:
    text = key if isinstance(key, str) else key.decode("latin-1")
    public = "-----BEGIN" in text
    if algorithms[0].startswith(_SYMMETRIC):
        if public:
            raise SettingsError(
                "jwt_bearer: HS... needs a shared secret, and this is a public key or certificate"
            )
        if len(key) < 32:
            raise SettingsError("jwt_bearer: a shared secret needs at least 32 bytes (RFC 7518 section 3.2)")
    elif not public:
        raise SettingsError(
            "jwt_bearer: public-key algorithms need a public key in PEM, a key set or its URL"
        )
