"""Flask with Flask-JWT-Extended: `gunicorn "examples.auth.flask_jwt_tokens:create_app()"`.

The app hands out tokens itself, at `/login` and, for a refresh token, at `/refresh`. The policy is in
flask_jwt_tokens.json.
"""

from __future__ import annotations

import os
from typing import Final

from flask import Flask, abort, request
from flask.typing import ResponseReturnValue
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt_identity,
    jwt_required,
)
from werkzeug.security import check_password_hash, generate_password_hash

from policy_middleware import policy_action, policy_exempt
from policy_middleware.attributes import claim, header
from policy_middleware_flask import PolicyMiddleware, flask_jwt

tokens = JWTManager()
policy = PolicyMiddleware()

MEMBERS: Final = {
    name: {"password": generate_password_hash(f"{name}'s password", "pbkdf2:sha256:1000"), "claims": claims}
    for name, claims in {
        "dana": {"team": "acme", "roles": ["deployer"]},
        "ray": {"team": "acme", "roles": ["reader"]},
        "gil": {"team": "globex", "roles": ["deployer"]},
    }.items()
}


@policy_exempt
def login() -> ResponseReturnValue:
    """Hand out tokens for name and password. Nobody is known yet, so there is nothing to decide."""
    given = request.get_json()
    member = MEMBERS.get(given["name"])
    if member is None or not check_password_hash(str(member["password"]), given["password"]):
        abort(401)
    claims = member["claims"]
    return {
        "access_token": create_access_token(given["name"], additional_claims=claims),
        "refresh_token": create_refresh_token(given["name"], additional_claims=claims),
    }


@policy_action("token.refresh")
@jwt_required(refresh=True)
def refresh() -> ResponseReturnValue:
    """Hand out a fresh access token for a refresh token."""
    name = get_jwt_identity()
    return {"access_token": create_access_token(name, additional_claims=MEMBERS[name]["claims"])}


@policy_action("release.deploy", resource="release:{version}")
@jwt_required()
def deploy(version: str) -> ResponseReturnValue:
    """Put a release into production."""
    return {"deployed": version, "by": get_jwt_identity()}, 202


@policy_action("release.read", resource="release:{version}")
def read(version: str) -> ResponseReturnValue:
    """Show a release; that this needs a token is the policy's business alone."""
    return {"version": version}


def create_app() -> Flask:
    """Return the app."""
    app = Flask(__name__)
    app.config.update(
        JWT_SECRET_KEY=os.environ.get("JWT_SECRET_KEY", "an example secret of thirty-two bytes"),
        POLICY_STORE_URL=os.environ.get("POLICY_STORE_URL", "redis://localhost:6379/0"),
        POLICY_IDENTITY=flask_jwt(refresh_endpoints=["refresh"]),
        POLICY_TENANT=[claim("team"), header("X-Team")],
    )
    tokens.init_app(app)
    policy.init_app(app)
    app.add_url_rule("/login", view_func=login, methods=["POST"])
    app.add_url_rule("/refresh", view_func=refresh, methods=["POST"])
    app.add_url_rule("/releases/<version>", view_func=read)
    app.add_url_rule("/releases/<version>/deployments", view_func=deploy, methods=["POST"])
    return app
