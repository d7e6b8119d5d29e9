"""Identity for Django REST framework, which authenticates inside its views."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest

from policy_middleware.attributes import CredentialError
from policy_middleware.model.errors import SettingsError


def drf() -> Callable[[object], object | None]:
    """Return an identity source that asks the view's own authenticators before the view runs.

    For views that are not Django REST framework's it gives Django's own user. A credential that an
    authenticator refuses is answered with 401.
    """
    return _authenticated_user


def _authenticated_user(native: object) -> object | None:
    if not isinstance(native, HttpRequest):
        raise SettingsError("identity: drf() is a source for Django")
    match = native.resolver_match
    view_class = getattr(match.func, "cls", None) if match is not None else None
    if match is None or view_class is None or not hasattr(view_class, "get_authenticators"):
        return _known(getattr(native, "user", None))
    from rest_framework.exceptions import APIException  # type: ignore[import-untyped]  # it has no types
    from rest_framework.request import Request  # type: ignore[import-untyped]  # as above

    view = view_class(**getattr(match.func, "initkwargs", {}))
    view.request = native
    before = dict(native.__dict__)
    try:
        return _known(Request(native, authenticators=view.get_authenticators()).user)
    except APIException as error:
        raise CredentialError(str(error.detail)) from error
    finally:
        # Request.user puts its finding onto the HttpRequest, where the view's own SessionAuthentication would
        # take a token's user for one with a session, and ask for a CSRF token.
        native.__dict__.pop("user", None)
        if "user" in before:
            native.user = before["user"]


def _known(user: object) -> object | None:
    return user if getattr(user, "is_authenticated", False) else None
