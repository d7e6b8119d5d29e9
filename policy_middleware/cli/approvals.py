"""Commands of people who approve."""

from __future__ import annotations

import json

import click

from policy_middleware.approvals import ApprovalStatus, ApprovalTask, Approver, Verification
from policy_middleware.approvals.refusals import refusal
from policy_middleware.cli.approval_views import (
    LIST_COLUMNS,
    as_dict,
    fields_of,
    outcome_of,
    row_of,
)
from policy_middleware.cli.approval_watching import watch
from policy_middleware.cli.options import (
    Command,
    group_options,
    operating_system_user,
    output_option,
    store_options,
    tenant_option,
    text,
)
from policy_middleware.cli.output import note, print_fields, print_json, print_table, say
from policy_middleware.cli.places import StorePlace
from policy_middleware.model.context import AttributeValue, attribute_value
from policy_middleware.model.errors import ContextError

_TASK = click.argument("task_id", metavar="ID")


@click.group()
@group_options
def approvals(**shared: object) -> None:
    """List and decide the requests that wait for approval."""


def _approver_options(command: Command) -> Command:
    who = click.option("--as", "approver", required=True, type=text, metavar="SUBJECT", help="Who votes.")
    roles = click.option(
        "--role", "roles", multiple=True, type=text, help="A role of who votes; may be repeated."
    )
    attributes = click.option(
        "--attribute",
        "attributes",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_attributes,
        help="What else rules ask of who votes, such as subject.department=finance; may be repeated. "
        'A VALUE that is JSON (3, true, ["a"]) is taken as such.',
    )
    return who(roles(attributes(command)))


def _attributes(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, AttributeValue]:
    """Return what rules may ask of an approver, or end the command with a usage error."""
    attributes: dict[str, AttributeValue] = {}
    for each in given:
        name, equals, written = each.partition("=")
        if not equals or not name.startswith("subject."):
            raise click.BadParameter(f"{each!r} is not written subject.NAME=VALUE")
        try:
            value = json.loads(text(written))
        except ValueError:
            value = written
        try:
            attribute = attribute_value(name, value)
        except ContextError as error:
            raise click.BadParameter(str(error)) from None
        if attribute is not None:
            attributes[name] = attribute
    return attributes


@approvals.command("list")
@tenant_option
@click.option(
    "--status", type=click.Choice([status.value for status in ApprovalStatus]), help="Only these requests."
)
@click.option("--requester", type=text, metavar="SUBJECT", help="Only requests of this subject.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500), help="How many at most.")
@store_options
@output_option
def list_tasks(
    tenant: str, status: str | None, requester: str | None, limit: int, place: StorePlace, output: str
) -> None:
    """List requests, newest first."""
    wanted = None if status is None else ApprovalStatus(status)
    with place.approvals() as queue:
        page = queue.list(tenant, status=wanted, requester=requester, limit=limit)
    if output == "json":
        print_json([as_dict(task) for task in page.tasks])
    else:
        which = f"{status} request" if status else "request"
        print_table(LIST_COLUMNS, map(row_of, page.tasks), empty=f"no {which} in {tenant!r}")
    if page.next is not None:
        note(f"there are more than {limit}; --limit, --status and --requester choose among them")


@approvals.command("show")
@_TASK
@tenant_option
@store_options
@output_option
def show_task(task_id: str, tenant: str, place: StorePlace, output: str) -> None:
    """Show one request and the votes on it."""
    with place.approvals() as queue:
        task = queue.get(tenant, task_id)
    if task is None:
        raise refusal("unknown_task")
    _show(task, output)


@approvals.command("approve")
@_TASK
@tenant_option
@_approver_options
@click.option("-m", "--comment", type=text, help="What was checked.")
@store_options
@output_option
def approve_task(
    task_id: str,
    tenant: str,
    approver: str,
    roles: tuple[str, ...],
    attributes: dict[str, AttributeValue],
    comment: str | None,
    place: StorePlace,
    output: str,
) -> None:
    """Vote for a request; never for one's own, and never twice."""
    with place.approvals() as queue:
        task = queue.approve(tenant, task_id, _asserted(approver, roles, attributes), comment)
    _tell(task, output)


@approvals.command("deny")
@_TASK
@tenant_option
@_approver_options
@click.option("-m", "--comment", required=True, type=text, help="Why; the requester is told.")
@store_options
@output_option
def deny_task(
    task_id: str,
    tenant: str,
    approver: str,
    roles: tuple[str, ...],
    attributes: dict[str, AttributeValue],
    comment: str,
    place: StorePlace,
    output: str,
) -> None:
    """Deny a request; one denial ends it."""
    with place.approvals() as queue:
        task = queue.deny(tenant, task_id, _asserted(approver, roles, attributes), comment)
    _tell(task, output)


@approvals.command("cancel")
@_TASK
@tenant_option
@click.option("--as", "requester", required=True, type=text, metavar="SUBJECT", help="Who asked.")
@store_options
@output_option
def cancel_task(task_id: str, tenant: str, requester: str, place: StorePlace, output: str) -> None:
    """Withdraw a request of one's own."""
    with place.approvals() as queue:
        task = queue.cancel(tenant, task_id, requester)
    _tell(task, output)


@approvals.command("watch")
@tenant_option
@store_options
@output_option
def watch_tasks(tenant: str, place: StorePlace, output: str) -> None:
    """Show what waits for approval, and every change, until Ctrl-C.

    On a terminal a table that counts down; into a pipe one line a change, with -o json one document.
    """
    with place.approving() as enforcer:
        watch(enforcer.approvals, enforcer.approval_hub, tenant, output)


def _asserted(subject: str, roles: tuple[str, ...], attributes: dict[str, AttributeValue]) -> Approver:
    """Return an approver whom nobody authenticated: the record says who typed the command."""
    return Approver(
        subject, roles, attributes, verified=Verification.ASSERTED, operator=operating_system_user()
    )


def _tell(task: ApprovalTask, output: str) -> None:
    if output == "json":
        print_json(as_dict(task))
    else:
        say(outcome_of(task))


def _show(task: ApprovalTask, output: str) -> None:
    if output == "json":
        print_json(as_dict(task))
    else:
        print_fields(fields_of(task))
