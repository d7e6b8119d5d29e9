"""The list of requests: which ones are asked for, and how each is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from policy_middleware.approvals import ApprovalQueue, ApprovalStatus, ApprovalTask
from policy_middleware.console.redaction import Redaction
from policy_middleware.console.standing import Standing, standing_of
from policy_middleware.console.visitor import Visitor

PAGE_SIZE = 25

ALL = "all"
_TABS: Mapping[str, str] = {
    ApprovalStatus.PENDING.value: "Waiting",
    ApprovalStatus.APPROVED.value: "Approved",
    ApprovalStatus.DENIED.value: "Denied",
    ApprovalStatus.EXPIRED.value: "Expired",
    ApprovalStatus.CANCELLED.value: "Withdrawn",
    ALL: "All",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address of the list asks for; `before` is the cursor of `ApprovalQueue.list`."""

    tenant: str
    status: str = ApprovalStatus.PENDING.value
    requester: str = ""
    before: int | None = None

    @classmethod
    def read(cls, parameters: Mapping[str, str], tenants: tuple[str, ...]) -> Filters | None:
        """Return the filters of a query, None for a tenant that the visitor does not see.

        What makes no sense is left out: somebody has edited the address.
        """
        tenant = parameters.get("tenant") or tenants[0]
        if tenant not in tenants:
            return None
        status = parameters.get("status", "")
        before = parameters.get("before", "")
        return cls(
            tenant,
            status if status in _TABS else ApprovalStatus.PENDING.value,
            parameters.get("requester", "").strip(),
            int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None,
        )

    def query(self, **other: str | int | None) -> str:
        """Return the query that asks for this, with some of it replaced; another status starts at the top."""
        values = {"tenant": self.tenant, "status": self.status, "requester": self.requester} | other
        return urlencode({name: value for name, value in values.items() if value not in ("", None)})


@dataclass(frozen=True, slots=True)
class Tab:
    """One status to choose."""

    label: str
    query: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One request in the list; `path` is its page below the inbox."""

    task: ApprovalTask
    standing: Standing
    path: str


@dataclass(frozen=True, slots=True)
class QueuePage:
    """Everything the list shows; `older` is the query of the next page, None on the last one."""

    filters: Filters
    tabs: tuple[Tab, ...]
    rows: tuple[Row, ...]
    older: str | None

    @property
    def heading(self) -> str:
        """What is listed."""
        return "All requests" if self.filters.status == ALL else _TABS[self.filters.status]


def queue_page(queue: ApprovalQueue, redaction: Redaction, visitor: Visitor, filters: Filters) -> QueuePage:
    """Look the requests up that the filters ask for; raises StoreUnavailable."""
    page = queue.list(
        filters.tenant,
        status=None if filters.status == ALL else ApprovalStatus(filters.status),
        requester=filters.requester or None,
        limit=PAGE_SIZE,
        before=filters.before,
    )
    now = queue.now()
    return QueuePage(
        filters,
        tuple(
            Tab(label, filters.query(status=name), name == filters.status) for name, label in _TABS.items()
        ),
        tuple(
            Row(redaction.task(task), standing_of(task, visitor, now), path_of(task)) for task in page.tasks
        ),
        None if page.next is None else filters.query(before=page.next),
    )


def path_of(task: ApprovalTask) -> str:
    """Return where a request's own page is below the inbox."""
    return f"/requests/{quote(task.tenant, safe='@:')}/{task.id}"
