"""`manage.py policy ...`: policyctl with the store of the project."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from policy_middleware.model.errors import SettingsError
from policy_middleware_django.conf import SETTING, installations


class Command(BaseCommand):
    """Check, publish and explain policies; the same as policyctl."""

    help = "Check, publish and explain policies; the same as policyctl."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Hand everything after `policy` on: its options are policyctl's, not Django's."""
        self._run(argv[2:])

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what `call_command("policy", ...)` gives."""
        parser.add_argument("arguments", nargs="*")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run for `call_command`."""
        self._run([*args, *options["arguments"]])

    @staticmethod
    def _run(arguments: Sequence[str]) -> None:
        from policy_middleware.cli import main  # it needs the extra `cli`

        try:
            settings = installations[SETTING].gate.enforcer.settings
        except SettingsError as error:
            raise CommandError(str(error)) from error
        os.environ.setdefault("POLICY_STORE_URL", settings.store_url)
        os.environ.setdefault("POLICY_KEY_PREFIX", settings.key_prefix)
        main(args=list(arguments), prog_name="manage.py policy")
