"""Flask with Flask-Login: `gunicorn "examples.auth.flask_login_sessions:create_app()"`.

People sign in at `/login` and are known by their session. The policy is in flask_login_sessions.json.
"""

from __future__ import annotations

import os
from typing import Final

from flask import Blueprint, Flask, abort, request
from flask.typing import ResponseReturnValue
from flask.views import MethodView
from flask_login import LoginManager, UserMixin, login_user, logout_user
from werkzeug.security import check_password_hash, generate_password_hash

from policy_middleware import policy_action, policy_exempt
from policy_middleware.attributes import user
from policy_middleware_flask import PolicyMiddleware

logins = LoginManager()
policy = PolicyMiddleware()


class Member(UserMixin):
    """Somebody who works for a shop; policies see `id` and `roles`."""

    def __init__(self, name: str, shop: str, *roles: str) -> None:
        self.id, self.shop, self.roles = name, shop, roles
        self.password_hash = generate_password_hash(f"{name}'s password", "pbkdf2:sha256:1000")


MEMBERS: Final = {
    member.id: member
    for member in (
        Member("fin", "acme", "finance"),
        Member("sam", "acme", "support"),
        Member("gil", "globex", "finance"),
    )
}


@logins.user_loader
def member_of_session(name: str) -> Member | None:
    """Load the member whom a session names."""
    return MEMBERS.get(name)


class Invoice(MethodView):
    """One invoice; policies know its methods by different actions."""

    @policy_action("invoice.read", resource="invoice:{number}")
    def get(self, number: int) -> ResponseReturnValue:
        """Show it."""
        return {"number": number, "iban": "DE02120300000000202051"}

    @policy_action("invoice.refund", resource="invoice:{number}", tags=["money"])
    def post(self, number: int) -> ResponseReturnValue:
        """Pay it back."""
        return {"refunded": number}, 201


@policy_exempt
def login() -> ResponseReturnValue:
    """Begin a session. Nobody is known yet, so there is nothing to decide."""
    member = MEMBERS.get(request.form["name"])
    if member is None or not check_password_hash(member.password_hash, request.form["password"]):
        abort(401)
    login_user(member)
    return {"signed_in": member.id}


@policy_exempt
def logout() -> ResponseReturnValue:
    """End the session."""
    logout_user()
    return "", 204


def feedback_widget() -> Blueprint:
    """Return the routes of a package: code that is not ours to decorate."""
    widget = Blueprint("feedback", __name__, url_prefix="/feedback")
    widget.add_url_rule("/<topic>", "send", lambda topic: {"thanks_for": topic}, methods=["POST"])
    return widget


def create_app() -> Flask:
    """Return the app."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ.get("SECRET_KEY", "an example protects nothing"),
        POLICY_STORE_URL=os.environ.get("POLICY_STORE_URL", "redis://localhost:6379/0"),
        POLICY_TENANT=user("shop"),
        POLICY_ROUTES={"POST /feedback/{topic}": {"action": "feedback.send"}},
    )
    logins.init_app(app)
    policy.init_app(app)
    app.add_url_rule("/login", view_func=login, methods=["POST"])
    app.add_url_rule("/logout", view_func=logout, methods=["POST"])
    app.add_url_rule("/invoices/<int:number>", view_func=Invoice.as_view("invoice"))
    app.register_blueprint(feedback_widget())
    return app
