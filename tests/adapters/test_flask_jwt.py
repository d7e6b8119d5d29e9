"""Identity from Flask-JWT-Extended."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import flask_jwt_extended
import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, get_jwt, jwt_required

from policy_middleware.attributes import claim, user
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import SettingsError
from policy_middleware_flask import PolicyMiddleware, flask_jwt

from .asgi_policies import only

CLAIMS = {"org": "acme", "roles": ["auditor"]}


@pytest.fixture
def app(enforcer: PolicyEnforcer) -> Flask:
    """An app that allows auditors only, and knows them by tokens of Flask-JWT-Extended."""
    app = Flask(__name__)
    app.config.update(TESTING=True, JWT_SECRET_KEY="of the tests, in thirty-two bytes")
    JWTManager(app)
    enforcer.publish("acme", only("allow", {"user": "carol", "role": "auditor"}))

    @app.route("/docs", methods=["GET", "POST"])
    @jwt_required()  # type: ignore[untyped-decorator]  # Flask-JWT-Extended does not say what it returns
    def docs() -> dict[str, Any]:
        return {"sub": get_jwt()["sub"]}

    @app.get("/open")
    def open_to_all() -> dict[str, Any]:
        return {"seen": flask_jwt_extended.get_jwt_request_location()}

    @app.post("/refresh")
    @jwt_required(refresh=True)  # type: ignore[untyped-decorator]  # as above
    def refresh() -> dict[str, Any]:
        return {"refreshed": get_jwt()["sub"]}

    return app


def install(app: Flask, enforcer: PolicyEnforcer, identity: Any = None, **options: Any) -> None:
    sources = {"tenant": claim("org"), **options}
    PolicyMiddleware(app, enforcer=enforcer, identity=identity or flask_jwt(), **sources)


def bearer(app: Flask, *, refresh: bool = False, **options: Any) -> dict[str, str]:
    """Return the header of a token that the app itself has made."""
    create = create_refresh_token if refresh else create_access_token
    with app.app_context():
        return {"Authorization": f"Bearer {create('carol', **{'additional_claims': CLAIMS, **options})}"}


def get(app: Flask, path: str = "/docs", method: str = "GET", **more: Any) -> Any:
    return app.test_client().open(path, method=method, **more)


def test_the_token_is_known_before_the_view_and_the_view_verifies_it_again(
    app: Flask, enforcer: PolicyEnforcer
) -> None:
    install(app, enforcer)
    response = get(app, headers=bearer(app))
    assert (response.status_code, response.json) == (200, {"sub": "carol"})


def test_roles_may_be_a_text_with_blanks_under_another_name(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer, flask_jwt(roles_claim="scope"))
    claims = {"org": "acme", "scope": "reader auditor"}
    assert get(app, headers=bearer(app, additional_claims=claims)).status_code == 200


@pytest.mark.parametrize("header", [None, "", "Basic YTpi"])
def test_without_a_token_there_is_no_identity(
    app: Flask, enforcer: PolicyEnforcer, header: str | None
) -> None:
    install(app, enforcer)
    response = get(app, headers={} if header is None else {"Authorization": header})
    assert (response.status_code, response.json["type"].rpartition(":")[2]) == (401, "identity-missing")


@pytest.mark.parametrize("header", ["Bearer", "Bearer a.b.c", "Bearer a b", "Bearer nonsense"])
def test_a_token_that_does_not_verify_is_refused(app: Flask, enforcer: PolicyEnforcer, header: str) -> None:
    install(app, enforcer)
    response = get(app, headers={"Authorization": header})
    assert (response.status_code, response.json["type"].rpartition(":")[2]) == (401, "credential-invalid")


def test_a_token_that_has_expired_is_refused_and_told_so(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer)
    response = get(app, headers=bearer(app, expires_delta=timedelta(seconds=-5)))
    assert (response.status_code, response.json["detail"]) == (401, "The token has expired.")


def test_a_token_of_another_key_or_a_revoked_one_is_refused(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer)
    headers = bearer(app)
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: True)
    assert get(app, headers=headers).status_code == 401
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: False)
    assert get(app, headers=headers).status_code == 200
    app.config["JWT_SECRET_KEY"] = "another of the tests, in thirty-two bytes"
    assert get(app, headers=headers).status_code == 401


def test_a_refresh_token_counts_only_where_it_is_asked_for(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer, flask_jwt(refresh_endpoints=["refresh"]))
    access, refresh = bearer(app), bearer(app, refresh=True)
    assert get(app, headers=refresh).status_code == 401
    assert get(app, "/refresh", "POST", headers=access).status_code == 401
    assert get(app, "/refresh", "POST", headers=refresh).json == {"refreshed": "carol"}


def test_a_view_that_asks_for_no_token_sees_none(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer)
    assert get(app, "/open", headers=bearer(app)).json == {"seen": None}


def test_what_a_hook_has_verified_already_stays(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer)
    app.before_request(lambda: flask_jwt_extended.verify_jwt_in_request(optional=True) and None)
    assert get(app, "/open", headers=bearer(app)).json == {"seen": "headers"}


def test_the_user_that_the_app_looks_up_is_there_for_other_sources(
    app: Flask, enforcer: PolicyEnforcer
) -> None:
    app.extensions["flask-jwt-extended"].user_lookup_loader(
        lambda header, claims: SimpleNamespace(org="acme", jobs=["auditor"])
    )
    install(app, enforcer, tenant=user("org"), roles=user("jobs"))
    assert get(app, headers=bearer(app, additional_claims={})).status_code == 200


def test_a_user_that_is_gone_is_refused(app: Flask, enforcer: PolicyEnforcer) -> None:
    app.extensions["flask-jwt-extended"].user_lookup_loader(lambda header, claims: None)
    install(app, enforcer)
    assert get(app, headers=bearer(app)).status_code == 401


def test_cookies_need_their_csrf_token(app: Flask, enforcer: PolicyEnforcer) -> None:
    app.config.update(JWT_TOKEN_LOCATION=["cookies"], JWT_COOKIE_SECURE=False)
    install(app, enforcer)
    client = app.test_client()
    with app.app_context():
        token = create_access_token("carol", additional_claims=CLAIMS)
        csrf = flask_jwt_extended.get_csrf_token(token)
    client.set_cookie("access_token_cookie", token)
    assert client.get("/docs").status_code == 200
    assert client.post("/docs").status_code == 401
    assert client.post("/docs", headers={"X-CSRF-TOKEN": csrf}).status_code == 200


def test_an_app_that_forgot_the_manager_is_refused_as_unavailable(enforcer: PolicyEnforcer) -> None:
    app = Flask(__name__)
    app.add_url_rule("/docs", "docs", lambda: "docs")
    install(app, enforcer)
    assert get(app, headers={"Authorization": "Bearer a.b.c"}).status_code == 503


def test_it_is_for_flask_only_and_takes_a_list() -> None:
    with pytest.raises(SettingsError, match="Flask"):
        flask_jwt()(object())
    with pytest.raises(SettingsError, match="refresh_endpoints"):
        flask_jwt(refresh_endpoints="refresh")


def test_without_flask_jwt_extended_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flask_jwt_extended", None)
    with pytest.raises(SettingsError, match="pip install flask-jwt-extended"):
        flask_jwt()
