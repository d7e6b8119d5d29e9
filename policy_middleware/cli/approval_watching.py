"""`policyctl approvals watch`: what waits for approval, as it changes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Final

import click
from rich import box
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from policy_middleware.approvals import ApprovalHub, ApprovalQueue, ApprovalStatus, ApprovalTask
from policy_middleware.approvals.watching import LOOK_ANYWAY_SECONDS
from policy_middleware.cli.approval_views import as_dict, standing_of
from policy_middleware.cli.output import console, moment, note, say
from policy_middleware.console.wording import duration
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.model.printing import printable

_SHOWN: Final = 500
"""Requests that are looked at: as many as a listing has at most."""
_TICK_SECONDS: Final = 1.0
"""How often countdowns move on a terminal."""


def watch(queue: ApprovalQueue, hub: ApprovalHub, tenant: str, output: str) -> None:
    """Show what is pending until Ctrl-C: a live table on a terminal, else one line for every change."""
    try:
        with hub.watch(tenant) as ear:
            looks = _looks(queue, tenant, ear.wait)
            if output == "table" and console().is_terminal:
                _live(looks, tenant, queue.now)
            else:
                _lines(looks, output)
    except KeyboardInterrupt:
        return


def _looks(
    queue: ApprovalQueue, tenant: str, wait: Callable[[float], bool]
) -> Iterator[tuple[ApprovalTask, ...]]:
    """Yield the latest requests of a tenant, at once, on every change and at least every second."""
    look_at = 0.0
    tasks: tuple[ApprovalTask, ...] = ()
    changed = True
    while True:
        if changed or time.monotonic() >= look_at:
            try:
                tasks = queue.list(tenant, limit=_SHOWN).tasks
            except StoreUnavailable as error:
                note(f"{error}; trying again")
            look_at = time.monotonic() + LOOK_ANYWAY_SECONDS
        yield tasks
        changed = wait(_TICK_SECONDS)


def _live(looks: Iterator[tuple[ApprovalTask, ...]], tenant: str, now: Callable[[], float]) -> None:
    with Live(console=console(), screen=False, auto_refresh=False) as screen:
        for tasks in looks:
            screen.update(_table(tasks, tenant, now()), refresh=True)


def _table(tasks: tuple[ApprovalTask, ...], tenant: str, now: float) -> Group:
    pending = [task for task in tasks if task.status is ApprovalStatus.PENDING]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, highlight=False)
    for column in ("id", "requester", "action", "resource", "votes", "expires in", "reason"):
        table.add_column(column, overflow="fold")
    for task in sorted(pending, key=lambda task: task.expires_at):
        table.add_row(
            *(
                Text(printable(cell))
                for cell in (
                    task.id,
                    task.requester,
                    task.action,
                    task.resource or "-",
                    f"{task.approvals_received} of {task.approvals_required}",
                    duration(task.deadline - now),
                    task.reason,
                )
            )
        )
    foot = "nothing is waiting" if not pending else f"{len(pending)} waiting"
    return Group(table if pending else Text(""), Text(f"{foot} in {tenant}; Ctrl-C ends", style="dim"))


def _lines(looks: Iterator[tuple[ApprovalTask, ...]], output: str) -> None:
    """Print every request that is waiting, and from then on every change, oldest first."""
    known: dict[str, object] = {}
    first = True
    for tasks in looks:
        for task in reversed(tasks):
            state = (task.status, task.consumed_at, len(task.votes))
            if known.get(task.id) == state:
                continue
            new = task.id not in known
            known[task.id] = state
            if first and task.status is not ApprovalStatus.PENDING and new:
                continue
            if output == "json":
                _print_line(task)
            else:
                votes = f"{task.approvals_received} of {task.approvals_required}"
                about = f"{task.action} {task.resource or ''}".rstrip()
                say(
                    f"{moment(time.time())}  {task.id}  {standing_of(task)}  {votes}  "
                    f"{task.requester}: {about}".replace("\n", " ")
                )
        known = {task.id: known[task.id] for task in tasks}
        first = False


def _print_line(task: ApprovalTask) -> None:
    click.echo(json.dumps(as_dict(task)))
