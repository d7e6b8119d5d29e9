from __future__ import annotations

import pytest
from django.urls import include, path, re_path, resolve

from policy_middleware_django.routes import RegexParameters, ResolvedRoute, RoutePolicies
from policy_middleware_django.templates import template_of
from tests.adapters import django_project

django_project.configure()


def view(request: object, *args: object, **kwargs: object) -> None: ...


ROUTES = [
    # route, path that it takes, template
    (path("", view), "/", "/"),
    (path("customers/<int:id>/", view), "/customers/7/", "/customers/{id}/"),
    (path("<slug:shop>/<path:rest>", view), "/a/b/c", "/{shop}/{rest}"),
    (path("a+b/c.txt", view), "/a+b/c.txt", "/a+b/c.txt"),
    (re_path(r"^customers/(?P<id>[0-9]{1,4})/$", view), "/customers/7/", "/customers/{id}/"),
    (
        re_path(r"^articles/(\d{4})/((\d+)-x)/(\w+)$", view),
        "/articles/2026/1-x/y",
        "/articles/{arg1}/{arg2}/{arg4}",
    ),
    (re_path(r"^mixed/(\d+)/(?P<id>\d+)$", view), "/mixed/1/2", "/mixed/*/{id}"),
    (re_path(r"^pages/(?:page-(?P<page>\d+)/)?$", view), "/pages/", "/pages/page-{page}/"),
    (re_path(r"^(?:de|en)/about/?\Z", view), "/de/about", "/de|en/about/"),
    (re_path(r"^\.well-known/[\w\]-]+\.txt$", view), "/.well-known/a.txt", "/.well-known/*.txt"),
    (re_path(r"^x(?=y)y(?!z)$", view), "/xy", "/xy"),
    (re_path(r"^any/(?P<rest>.*)$", view), "/any/a/b", "/any/{rest}"),
    (re_path(r"^digits/\d+$", view), "/digits/12", "/digits/*"),
    (re_path(r"^[]a]$", view), "/]", "/*"),
]


@pytest.mark.parametrize(("route", "target", "template"), ROUTES)
def test_routes_are_written_as_in_every_framework(route: object, target: str, template: str) -> None:
    match = resolve(target, django_project.urlconf([route]))
    assert template_of(match.route) == template


@pytest.mark.parametrize(
    ("outer", "target"),
    [
        (path("shop/<int:shop>/", include([path("items/<id>", view)])), "/shop/3/items/4"),
        (path("shop/<int:shop>/", include([re_path(r"^items/(?P<id>\w+)$", view)])), "/shop/3/items/4"),
        (re_path(r"^shop/(?P<shop>\d+)/", include([path("items/<id>", view)])), "/shop/3/items/4"),
        (
            re_path(r"^shop/(?P<shop>\d+)/", include([re_path(r"^items/(?P<id>\w+)$", view)])),
            "/shop/3/items/4",
        ),
    ],
)
def test_included_routes_have_their_whole_template(outer: object, target: str) -> None:
    match = resolve(target, django_project.urlconf([outer]))
    assert template_of(match.route) == "/shop/{shop}/items/{id}"
    assert match.kwargs.keys() == {"shop", "id"}


@pytest.mark.parametrize("unfinished", ["^a(b", "^[a", "a\\", "^(?P<x>", "(", "^{", "^a{2,3}?$"])
def test_odd_routes_are_rendered_all_the_same(unfinished: str) -> None:
    assert template_of(unfinished) == template_of(unfinished)
    assert template_of(unfinished).startswith("/")


def resolved(route: str) -> ResolvedRoute:
    return RoutePolicies({}).of("GET", route, view)


def test_parameters_of_a_path_are_djangos_own() -> None:
    kwargs = {"id": 7}
    assert resolved("customers/<int:id>").parameters((), kwargs) is kwargs


def test_unnamed_groups_are_parameters_by_number() -> None:
    route = resolved(r"^a/(\d+)/(\w+)$")
    parameters = route.parameters(("1", "x"), {})
    assert (parameters["arg1"], parameters["arg2"]) == ("1", "x")
    assert route.policy.resource_id_of(parameters) == "x"


def test_an_optional_group_that_took_nothing_is_empty() -> None:
    route = resolved(r"^pages/(?P<page>\d+)?$")
    parameters = route.parameters((), {})
    assert route.policy.resource_id_of(parameters) == ""
    assert parameters.get("page") is None


def test_a_parameter_that_the_route_has_not_is_an_error() -> None:
    with pytest.raises(KeyError):
        RegexParameters("/pages/{page}", {})["id"]


def test_head_is_decided_as_get() -> None:
    assert RoutePolicies({}).of("HEAD", "customers/<id>", view).policy.action == "GET /customers/{id}"
