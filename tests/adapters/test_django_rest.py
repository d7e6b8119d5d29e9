from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import SettingsError
from policy_middleware.routing import policy_action
from policy_middleware_django import drf

from .asgi_policies import only
from .django_calls import HEADERS, get, project

HERE = __name__
CAROL = SimpleNamespace(is_authenticated=True, is_active=True, username="carol", roles=["auditor"])
BY_DRF: dict[str, Any] = {"identity": drf(), "subject": None, "roles": None}


class Token(BaseAuthentication):  # type: ignore[misc]  # Django REST framework has no types
    """Knows one token."""

    def authenticate(self, request: Any) -> tuple[Any, str] | None:
        token = request.META.get("HTTP_AUTHORIZATION")
        if token is None:
            return None
        if token != "Token good":
            raise AuthenticationFailed("No such token.")
        return CAROL, token


class Documents(APIView):  # type: ignore[misc]  # as above
    """A view that knows users by session or token."""

    authentication_classes = (SessionAuthentication, Token)

    def get(self, request: Any, **parameters: Any) -> Response:
        return Response({"user": request.user.username})

    post = get


class Reports(ViewSet):  # type: ignore[misc]  # as above
    """A view set whose methods have names of their own."""

    authentication_classes = (Token,)

    @policy_action("report.list")
    def list(self, request: Any) -> Response:
        return Response([])

    def create(self, request: Any) -> Response:
        return Response([])


ROUTES = [
    path("docs/<int:id>", Documents.as_view()),
    path("reports", Reports.as_view({"get": "list", "post": "create"})),
    path("plain", lambda request: HttpResponse("plain")),
]


class PlainUser:
    """Puts Django's own user there."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.user = SimpleNamespace(is_authenticated=True, is_active=True, username="dora", roles=[])  # type: ignore[assignment]
        response: HttpResponse = self.get_response(request)
        return response


def token(value: str) -> dict[str, str]:
    return {**HEADERS, "Authorization": f"Token {value}"}


def test_users_that_only_the_view_knows_are_known_before_the_decision(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("allow", {"user": "carol", "role": "auditor"}))
    with project(enforcer, ROUTES, **BY_DRF):
        response = get(headers=token("good"))
        assert (response.status_code, response.json()) == (200, {"user": "carol"})


@pytest.mark.parametrize("headers", [HEADERS, token("bad")])
def test_no_credential_and_a_wrong_one_are_challenged(
    enforcer: PolicyEnforcer, headers: dict[str, str]
) -> None:
    with project(enforcer, ROUTES, **BY_DRF):
        response = get(headers=headers)
    assert (response.status_code, "WWW-Authenticate" in response.headers) == (401, True)


def test_a_token_does_not_pose_as_a_session_in_the_view(enforcer: PolicyEnforcer) -> None:
    # SessionAuthentication would ask a user whom it finds on the request for a CSRF token.
    client = Client(enforce_csrf_checks=True)
    with project(enforcer, ROUTES, **BY_DRF):
        assert client.post("/docs/7", headers=token("good")).json() == {"user": "carol"}


def test_djangos_own_user_is_left_in_place(enforcer: PolicyEnforcer) -> None:
    users = []

    class Noting(APIView):  # type: ignore[misc]  # as above
        authentication_classes = (Token,)

        def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            users.append(request.user.username)  # type: ignore[union-attr]  # PlainUser has put it there
            return super().initialize_request(request, *args, **kwargs)

        def get(self, request: Any) -> Response:
            return Response([])

    enforcer.publish("acme", only("allow", {"user": "carol"}))
    with project(enforcer, [path("noting", Noting.as_view())], outside=[f"{HERE}.PlainUser"], **BY_DRF):
        assert get("/noting", headers=token("good")).status_code == 200
    assert users == ["dora"]


def test_other_views_have_djangos_own_user(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("allow", {"user": "dora"}))
    with project(enforcer, ROUTES, outside=[f"{HERE}.PlainUser"], **BY_DRF):
        assert get("/plain").content == b"plain"
    with project(enforcer, ROUTES, **BY_DRF):
        assert get("/plain").status_code == 401


def test_the_methods_of_a_view_set_are_known_by_their_names(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("allow", {"action": "report.list"}))
    with project(enforcer, ROUTES, **BY_DRF):
        assert get("/reports", headers=token("good")).status_code == 200
        assert get("/reports", "POST", headers=token("good")).status_code == 403


def test_it_is_for_django_only() -> None:
    with pytest.raises(SettingsError, match="drf"):
        drf()(object())
    assert drf()(RequestFactory().get("/")) is None
