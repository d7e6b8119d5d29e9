"""Identity from Flask-JWT-Extended, which verifies tokens inside its views' decorators."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from flask import Request, g

from policy_middleware.attributes import CredentialError, Identity, roles_in_claim
from policy_middleware.model.errors import SettingsError

_REMEMBERED: Final = "_jwt_extended_"
"""How the names begin under which Flask-JWT-Extended keeps in `flask.g` what it has verified."""


def flask_jwt(
    *, roles_claim: str = "roles", refresh_endpoints: Collection[str] = ()
) -> Callable[[object], Identity | None]:
    """Return an identity source that verifies the token by Flask-JWT-Extended, before the view.

    Keys, algorithms, token locations, CSRF protection, revocation and user lookup are those of the app's
    `JWTManager`. The id is the token's identity (`JWT_IDENTITY_CLAIM`), the roles are in `roles_claim`, and
    `user(...)` reads what the `user_lookup_loader` found. A refresh token counts only at
    `refresh_endpoints` (names such as `auth.refresh`), and there nothing else does. A request without a
    token has no identity; a token that does not verify is answered with 401. The view finds everything as
    it would without this. Raises SettingsError when Flask-JWT-Extended is not installed.
    """
    try:
        import flask_jwt_extended  # noqa: F401 -- asks whether it is there, at start-up and not at the first request
    except ImportError:
        raise SettingsError("flask_jwt needs Flask-JWT-Extended: pip install flask-jwt-extended") from None
    if isinstance(refresh_endpoints, str):
        raise SettingsError("flask_jwt: list the refresh_endpoints, such as refresh_endpoints=['refresh']")
    refreshing = frozenset(refresh_endpoints)

    def identity(native: object) -> Identity | None:
        if not isinstance(native, Request):
            raise SettingsError("identity: flask_jwt() is a source for Flask")
        return _verified(roles_claim, refresh=native.endpoint in refreshing)

    return identity


def _verified(roles_claim: str, *, refresh: bool) -> Identity | None:
    """Verify the token of the current request, if there is one."""
    from flask_jwt_extended import get_jwt, get_jwt_identity, verify_jwt_in_request
    from flask_jwt_extended.exceptions import JWTExtendedException
    from jwt import ExpiredSignatureError, PyJWTError

    before = _remembered()
    try:
        if verify_jwt_in_request(optional=True, refresh=refresh) is None:
            return None
        found = get_jwt_identity()
        if not isinstance(found, (str, int)) or found == "":
            raise CredentialError("The token names no subject.")
        claims = get_jwt()
        return Identity(str(found), roles_in_claim(claims.get(roles_claim)), claims, _loaded_user())
    except ExpiredSignatureError:
        raise CredentialError("The token has expired.") from None
    except (JWTExtendedException, PyJWTError):
        # What exactly is wrong with a signature helps nobody but its forger.
        raise CredentialError("The token does not verify.") from None
    finally:
        # A view that asks for no token is to find none, as it would without us.
        for name in _remembered():
            g.pop(name)
        for name, value in before.items():
            setattr(g, name, value)


def _remembered() -> dict[str, object]:
    return {name: g.get(name) for name in g if name.startswith(_REMEMBERED)}


def _loaded_user() -> object | None:
    from flask_jwt_extended import get_current_user

    try:
        user: object = get_current_user()
    except RuntimeError:  # the app has no user_lookup_loader
        return None
    return user
