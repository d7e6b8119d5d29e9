"""The command group: which commands there are, and how errors become exit codes."""

from __future__ import annotations

import logging
from typing import Any, Final

import click

from policy_middleware.cli.approvals import approvals
from policy_middleware.cli.authoring import diff, fmt, init, pull
from policy_middleware.cli.counters import counters
from policy_middleware.cli.decisions import evaluate, explain
from policy_middleware.cli.demonstration import demo
from policy_middleware.cli.doctor import doctor
from policy_middleware.cli.documents import check, migrate, schema
from policy_middleware.cli.editing import publish, rollback
from policy_middleware.cli.emergency import incident
from policy_middleware.cli.exit_codes import ExitCode, exit_code_of
from policy_middleware.cli.log import log
from policy_middleware.cli.mask import mask
from policy_middleware.cli.observed import observed
from policy_middleware.cli.options import group_options
from policy_middleware.cli.output import note
from policy_middleware.cli.replay import replay
from policy_middleware.cli.routes import routes
from policy_middleware.cli.rules import rule
from policy_middleware.cli.status import status
from policy_middleware.cli.stored import history, list_documents, show
from policy_middleware.model.errors import DocumentError, PolicyError

_PROBLEMS_TOLD: Final = 50


class _Policyctl(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of the package becomes sentences on standard error and an exit code."""
        try:
            return super().invoke(ctx)
        except DocumentError as error:
            _tell_problems(ctx, error)
            ctx.exit(exit_code_of(error))
        except PolicyError as error:
            code = exit_code_of(error)
            sentence = str(error).rstrip(".")
            if code is ExitCode.STORE_UNREACHABLE:
                sentence += " (--store URL or POLICY_STORE_URL names another store)"
            note(f"{ctx.command_path}: {sentence}")
            ctx.exit(code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which one comes to need them."""
        return list(self.commands)


@click.group(
    cls=_Policyctl, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@group_options
@click.version_option(None, "-V", "--version", package_name="policy-middleware")
def policyctl(**shared: object) -> None:
    """Write, check, publish and explain the policies of an application.

    Options stand before or after the command. Data is on standard output, everything else on standard error.

    \b
    Exit codes  0  ok
                1  unexpected
                2  wrong usage
                3  a policy is not valid
                5  the store cannot be reached
                6  the answer is no: something would change or differs, a request
                   would not run, a step was refused
                7  the decision log is not as it was written
    """
    # What the library logs about stores and documents, the commands say themselves.
    logging.getLogger("policy_middleware").addHandler(logging.NullHandler())


def _tell_problems(context: click.Context, error: DocumentError) -> None:
    named = f"the document for {error.name!r}" if error.name else "the document"
    note(f"{context.command_path}: {named} is not valid, nothing was changed")
    for problem in error.problems[:_PROBLEMS_TOLD]:
        note(f"  {problem}")
    if len(error.problems) > _PROBLEMS_TOLD:
        note(f"  and {len(error.problems) - _PROBLEMS_TOLD} more")


for _command in (
    demo,
    init,
    schema,
    check,
    fmt,
    migrate,
    diff,
    publish,
    pull,
    show,
    list_documents,
    history,
    rollback,
    rule,
    incident,
    evaluate,
    explain,
    status,
    observed,
    log,
    replay,
    routes,
    mask,
    doctor,
    approvals,
    counters,
):
    policyctl.add_command(_command)
