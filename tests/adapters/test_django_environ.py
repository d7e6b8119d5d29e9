"""What a server finds in its environ again once Django has answered."""

from __future__ import annotations

import io
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import path

from policy_middleware import PolicyEnforcer
from policy_middleware.attributes import const
from tests.adapters import django_project


def customer(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"email": "ada@example.com"})


def test_a_masked_answer_leaves_the_server_its_file_wrapper() -> None:
    # gunicorn's threaded worker looks for it in the same dict after the application has returned.
    django_project.configure()
    mask_email = {
        "id": "mask",
        "when": {},
        "effect": "mask",
        "reason": "Masked.",
        "mask": {"fields": {"email": "redact"}},
    }
    enforcer = PolicyEnforcer.from_url("memory://", decision_log=lambda record: None)
    enforcer.publish("acme", {"schema": 1, "default": "deny", "rules": [mask_email]})
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/customer",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
        "wsgi.file_wrapper": object,
    }
    settings = {"ENFORCER": enforcer, "TENANT": const("acme"), "SUBJECT": const("ana")}
    urls = django_project.urlconf([path("customer", customer)])
    with override_settings(POLICY_MIDDLEWARE=settings, ROOT_URLCONF=urls):
        body = b"".join(WSGIHandler()(environ, lambda status, headers: None))
    enforcer.close()
    assert b"[REDACTED]" in body
    assert environ["wsgi.file_wrapper"] is object
