from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.core import checks
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path, re_path

from policy_middleware.attributes import const
from policy_middleware_django import PolicyMiddleware
from tests.adapters import django_project

django_project.configure()

OURS = "policy_middleware_django.PolicyMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
GZIP = "django.middleware.gzip.GZipMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
UPDATE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH = "django.middleware.cache.FetchFromCacheMiddleware"
CORS = "corsheaders.middleware.CorsMiddleware"
GOOD = {"TENANT": const("acme"), "SUBJECT": const("bea"), "DECISION_LOG": lambda record: None}

Found = dict[str, checks.CheckMessage]


@pytest.fixture
def found() -> Callable[..., Found]:
    """Run `manage.py check` under overridden settings; return what this package has found, by id."""

    def found(*, deploy: bool = False, **overrides: Any) -> Found:
        with override_settings(
            **{"POLICY_MIDDLEWARE": GOOD, "MIDDLEWARE": [AUTHENTICATION, OURS], **overrides}
        ):
            messages = checks.run_checks(include_deployment_checks=deploy)
        return {m.id: m for m in messages if m.id and m.id.startswith("policy_middleware.")}

    return found


def test_a_good_installation_is_not_remarked_on(found: Callable[..., Found]) -> None:
    order = [CORS, UPDATE, GZIP, CONDITIONAL, AUTHENTICATION, OURS]
    assert found(MIDDLEWARE=order, deploy=True) == {}


def test_settings_that_cannot_work_are_e001(found: Callable[..., Found]) -> None:
    messages = found(POLICY_MIDDLEWARE={"TENANTS": "x"})
    assert list(messages) == ["policy_middleware.E001"]
    assert "did you mean 'tenant'" in messages["policy_middleware.E001"].msg
    assert "STORE_URL" in str(messages["policy_middleware.E001"].hint)


def test_an_app_without_its_middleware_is_e002(found: Callable[..., Found]) -> None:
    messages = found(MIDDLEWARE=[AUTHENTICATION])
    assert list(messages) == ["policy_middleware.E002"]
    assert OURS in str(messages["policy_middleware.E002"].hint)


@pytest.mark.parametrize(
    "ours", [OURS, "policy_middleware_django.middleware.PolicyMiddleware", f"{__name__}.Mine"]
)
def test_deciding_before_authentication_is_e003(found: Callable[..., Found], ours: str) -> None:
    messages = found(MIDDLEWARE=[ours, AUTHENTICATION])
    assert list(messages) == ["policy_middleware.E003"]
    assert AUTHENTICATION in str(messages["policy_middleware.E003"].hint)
    assert found(MIDDLEWARE=[AUTHENTICATION, ours]) == {}


def test_a_route_under_the_prefix_is_e004(found: Callable[..., Found]) -> None:
    inner = [path("mine/<int:id>", answer), re_path(r"^yours$", answer)]
    urls = django_project.urlconf([path("_policy/", include(inner)), path("_policy-notes", answer)])
    with override_settings(ROOT_URLCONF=urls, POLICY_MIDDLEWARE=GOOD, MIDDLEWARE=[OURS]):
        messages = [m for m in checks.run_checks() if m.id == "policy_middleware.E004"]
    assert [m.msg.split("'")[1] for m in messages] == ["/_policy/mine/{id}", "/_policy/yours"]
    assert found(ROOT_URLCONF=urls, POLICY_MIDDLEWARE={**GOOD, "PREFIX": "/_elsewhere"}) == {}


def test_a_cache_that_answers_before_the_decision_is_e005(found: Callable[..., Found]) -> None:
    messages = found(MIDDLEWARE=[UPDATE, FETCH, AUTHENTICATION, OURS])
    assert list(messages) == ["policy_middleware.E005"]
    assert "cache_page" in str(messages["policy_middleware.E005"].hint)


@pytest.mark.parametrize(
    ("middleware", "identifier"),
    [
        (GZIP, "policy_middleware.W006"),
        (CONDITIONAL, "policy_middleware.W007"),
        (UPDATE, "policy_middleware.W008"),
        (CORS, "policy_middleware.W009"),
    ],
)
def test_what_belongs_outside_and_is_inside_is_a_warning(
    found: Callable[..., Found], middleware: str, identifier: str
) -> None:
    messages = found(MIDDLEWARE=[AUTHENTICATION, OURS, middleware])
    assert list(messages) == [identifier]
    assert messages[identifier].level == checks.WARNING
    assert middleware.rpartition(".")[2] in messages[identifier].msg
    assert messages[identifier].hint


def test_rest_framework_without_an_identity_of_its_own_is_w010(found: Callable[..., Found]) -> None:
    anonymous = {"TENANT": const("acme"), "DECISION_LOG": lambda record: None}
    messages = found(POLICY_MIDDLEWARE=anonymous)
    assert list(messages) == ["policy_middleware.W010"]
    assert "drf()" in str(messages["policy_middleware.W010"].hint)
    installed = [name for name in apps.app_configs if name != "rest_framework"]
    paths = [apps.get_app_config(name).name for name in installed]
    assert found(POLICY_MIDDLEWARE=anonymous, INSTALLED_APPS=paths) == {}


def test_deploying_while_observing_is_w011(found: Callable[..., Found]) -> None:
    observing = {**GOOD, "MODE": "observe"}
    assert list(found(POLICY_MIDDLEWARE=observing, deploy=True)) == ["policy_middleware.W011"]
    assert found(POLICY_MIDDLEWARE=observing) == {}


def test_a_middleware_that_cannot_be_imported_is_djangos_affair(found: Callable[..., Found]) -> None:
    assert found(MIDDLEWARE=["nowhere.Middleware", AUTHENTICATION, OURS]) == {}


def answer(request: object, **parameters: object) -> HttpResponse:
    return HttpResponse()


class Mine(PolicyMiddleware):
    """A subclass, as projects make them."""
