from __future__ import annotations

import pytest
from flask import Blueprint, Flask
from werkzeug.routing import Rule

from policy_middleware.model.errors import SettingsError
from policy_middleware.routing import policy_action, routes_table
from policy_middleware_flask.routes import RoutePolicies, check_routes, serves_static_files, template_of


@pytest.mark.parametrize(
    ("rule", "template"),
    [
        ("/", "/"),
        ("/customers/<id>", "/customers/{id}"),
        ("/customers/<int:id>", "/customers/{id}"),
        ("/customers/<string(length=2):lang>/<uuid:id>/", "/customers/{lang}/{id}/"),
        ('/<any("a,b", c):kind>/<path:rest>', "/{kind}/{rest}"),
        ("/files/<name>.<ext>", "/files/{name}.{ext}"),
        ("/a-b_c/<int(min=1, max=9):n>-<m>", "/a-b_c/{n}-{m}"),
    ],
)
def test_rules_are_written_as_in_every_framework(rule: str, template: str) -> None:
    assert template_of(rule) == template


def test_templates_name_the_parameters_that_werkzeug_finds() -> None:
    rule = Rule('/<any("a,b"):kind>/<int(min=1):id>/<path:rest>')
    assert {part for part in rule.arguments if f"{{{part}}}" in template_of(rule.rule)} == rule.arguments


def app_with(*rules: str) -> Flask:
    app = Flask(__name__)
    for number, rule in enumerate(rules):
        app.add_url_rule(rule, f"endpoint{number}", lambda **_: "")
    return app


@pytest.mark.parametrize("rule", ["/_policy", "/_policy/", "/_policy/x/<id>"])
def test_a_route_under_the_prefix_is_an_error(rule: str) -> None:
    with pytest.raises(SettingsError, match="POLICY_PREFIX"):
        check_routes(app_with(rule), "/_policy")


def test_a_route_beside_the_prefix_is_none() -> None:
    check_routes(app_with("/_policy-notes", "/x/_policy"), "/_policy")


def test_static_folders_of_app_and_blueprints_are_known(tmp_path: object) -> None:
    app = Flask(__name__)
    app.register_blueprint(Blueprint("shop", __name__, static_folder="static"))
    app.register_blueprint(Blueprint("bare", __name__))
    assert serves_static_files(app, "static")
    assert serves_static_files(app, "shop.static")
    assert not serves_static_files(app, "bare.static")
    assert not serves_static_files(app, "unknown.static")
    assert not serves_static_files(app, "shop.index")
    assert not serves_static_files(Flask(__name__, static_folder=None), "static")


def test_a_view_that_is_replaced_is_looked_at_anew() -> None:
    app = app_with("/x")
    routes = RoutePolicies({})
    rule = next(rule for rule in app.url_map.iter_rules() if rule.rule == "/x")
    assert routes.of(app, rule, "GET").action == "GET /x"
    app.view_functions["endpoint0"] = policy_action("x.read")(lambda: "")
    assert routes.of(app, rule, "GET").action == "x.read"


def test_invented_methods_are_not_remembered() -> None:
    app = app_with("/x")
    routes = RoutePolicies(routes_table({}))
    rule = next(rule for rule in app.url_map.iter_rules() if rule.rule == "/x")
    for number in range(10):
        routes.of(app, rule, f"INVENTED{number}")
    routes.of(app, rule, "GET")
    assert len(routes._known) == 1
