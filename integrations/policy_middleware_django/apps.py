"""The app that brings the system checks and `manage.py policy`."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.core.signals import setting_changed

from policy_middleware_django.checks import CHECKS, DEPLOY_CHECKS
from policy_middleware_django.conf import forget_changed


class PolicyMiddlewareConfig(AppConfig):
    """Put `"policy_middleware_django"` into INSTALLED_APPS."""

    name = "policy_middleware_django"
    label = "policy_middleware"
    verbose_name = "Policy middleware"

    def ready(self) -> None:
        """Register the checks."""
        for check in CHECKS:
            register(check, Tags.security)
        for check in DEPLOY_CHECKS:
            register(check, Tags.security, deploy=True)
        setting_changed.connect(forget_changed, dispatch_uid="policy_middleware")
