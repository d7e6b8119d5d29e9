"""`flask policy ...`: policyctl with the store of the application."""

from __future__ import annotations

import os
from typing import Final

import click
from flask.cli import NoAppException, ScriptInfo

_PASSED_THROUGH: Final = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.command("policy", add_help_option=False, context_settings=_PASSED_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def cli(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Check, publish and explain policies; the same as policyctl."""
    # Flask loads every command for each `flask` call, and this one needs the extra `cli` beyond Flask's own.
    from policy_middleware.cli import main

    _use_store_of_app(context)
    main(args=list(arguments), prog_name="flask policy")


def _use_store_of_app(context: click.Context) -> None:
    from policy_middleware_flask.extension import EXTENSION

    try:
        app = context.ensure_object(ScriptInfo).load_app()
    except NoAppException:
        return
    installed = app.extensions.get(EXTENSION)
    if installed is not None:
        settings = installed.gate.enforcer.settings
        os.environ.setdefault("POLICY_STORE_URL", settings.store_url)
        os.environ.setdefault("POLICY_KEY_PREFIX", settings.key_prefix)
