"""Settings of a Django project that is nothing but an API."""

from __future__ import annotations

import os

from policy_middleware.attributes import header, query

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "an example signs nothing")
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ROOT_URLCONF = "examples.django_service.urls"
USE_TZ = True

INSTALLED_APPS = ["policy_middleware_django"]
MIDDLEWARE = ["policy_middleware_django.PolicyMiddleware"]
POLICY_MIDDLEWARE = {
    "STORE_URL": os.environ.get("POLICY_STORE_URL", "redis://localhost:6379/0"),
    # These headers are set by the company's gateway, which replaces whatever a client sends.
    "TENANT": header("X-Tenant-ID"),
    "SUBJECT": header("X-User"),
    "ROLES": header("X-Roles"),
    "ATTRIBUTES": {"resource.rows": query("rows", type=int)},
    "APPROVER": "examples.approvers.approver",
}
