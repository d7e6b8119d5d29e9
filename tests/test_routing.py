from __future__ import annotations

import functools

import pytest

from policy_middleware.model.errors import SettingsError
from policy_middleware.routing import policy_action, policy_exempt, route_policy, routes_table


def test_without_a_decorator_the_action_is_method_and_template() -> None:
    route = route_policy("GET", "/customers/{id}", lambda: None)
    assert (route.action, route.resource_type) == ("GET /customers/{id}", "customers")
    assert route.resource_id_of({"id": 7}) == "7"


def test_a_collection_has_a_type_and_no_id() -> None:
    route = route_policy("GET", "/customers/{id}/invoices", None)
    assert route.resource_type == "invoices"
    assert route.resource_id is None


def test_head_counts_as_get() -> None:
    assert route_policy("HEAD", "/customers", None).action == "GET /customers"


def test_the_decorator_returns_the_function_itself() -> None:
    def handler() -> None: ...

    assert policy_action("customer.read")(handler) is handler
    assert route_policy("GET", "/c", handler).action == "customer.read"


def test_a_decorator_below_a_wrapping_decorator_is_found() -> None:
    @policy_action("invoice.refund", resource="invoice:{id}", tags=["money"])
    def handler(identifier: str) -> str:
        return identifier

    @functools.wraps(handler)
    def wrapped(identifier: str) -> str:
        return handler(identifier)

    route = route_policy("POST", "/invoices/{id}/refund", functools.partial(wrapped))
    assert (route.action, route.resource_type, route.tags) == ("invoice.refund", "invoice", ("money",))
    assert route.resource_id_of({"id": "a-1"}) == "a-1"


def test_a_resource_id_may_join_several_parameters() -> None:
    handler = policy_action("row.read", resource="row:{table}/{key}")(lambda: None)
    assert route_policy("GET", "/x", handler).resource_id_of({"table": "t", "key": 3}) == "t/3"


def test_a_resource_parameter_that_the_route_lacks_is_an_error() -> None:
    handler = policy_action("row.read", resource="row:{key}")(lambda: None)
    with pytest.raises(KeyError):
        route_policy("GET", "/x", handler).resource_id_of({})


class Invoices:
    @policy_action("invoice.list")
    def get(self) -> None: ...

    def post(self) -> None: ...


@policy_action("report.any")
class Reports:
    @policy_action("report.export")
    def post(self) -> None: ...

    def get(self) -> None: ...


def _as_view(view_class: type) -> object:
    def view() -> None: ...

    view.view_class = view_class  # type: ignore[attr-defined]  # what Django's and Flask's as_view do
    return view


@pytest.mark.parametrize("endpoint", [Invoices, _as_view(Invoices)])
def test_methods_of_a_class_based_view_have_actions_of_their_own(endpoint: object) -> None:
    assert route_policy("GET", "/i", endpoint).action == "invoice.list"
    assert route_policy("HEAD", "/i", endpoint).action == "invoice.list"
    assert route_policy("POST", "/i", endpoint).action == "POST /i"


def test_a_method_wins_over_its_class() -> None:
    assert route_policy("POST", "/r", Reports).action == "report.export"
    assert route_policy("GET", "/r", Reports).action == "report.any"


def test_viewset_actions_are_followed_to_the_method_they_dispatch_to() -> None:
    class ViewSet:
        @policy_action("invoice.list")
        def list(self) -> None: ...

    def view() -> None: ...

    view.cls = ViewSet  # type: ignore[attr-defined]  # what Django REST framework's as_view does
    view.actions = {"get": "list"}  # type: ignore[attr-defined]  # the same
    assert route_policy("GET", "/i", view).action == "invoice.list"


def test_an_exempt_handler_is_exempt() -> None:
    assert route_policy("GET", "/x", policy_exempt(lambda: None)).exempt


def test_the_table_names_routes_that_are_not_yours_and_the_decorator_wins() -> None:
    table = routes_table(
        {"/c/{id}": {"action": "c.any"}, "DELETE /c/{id}": {"action": "c.delete", "tags": ["x"]}}
    )
    assert route_policy("GET", "/c/{id}", None, table).action == "c.any"
    assert route_policy("DELETE", "/c/{id}", None, table).tags == ("x",)
    own = policy_action("own")(lambda: None)
    assert route_policy("DELETE", "/c/{id}", own, table).action == "own"


@pytest.mark.parametrize(
    ("routes", "sentence"),
    [
        ({"/c": {"acton": "x"}}, "unknown key 'acton'"),
        ({"/c": "x"}, "must be a mapping"),
        ({"c": {"action": "x"}}, "write the template"),
        ({"/c": {"action": ""}}, "name of an action"),
        ({"/c": {"action": "x", "tags": "pii"}}, "tags must be a list"),
        ({"/c": {"resource": "a b"}}, "must be 'type'"),
    ],
)
def test_a_bad_table_is_refused_with_the_place(routes: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        routes_table(routes)


@pytest.mark.parametrize("bad", ["", "  "])
def test_an_action_needs_a_name(bad: str) -> None:
    with pytest.raises(SettingsError):
        policy_action(bad)
