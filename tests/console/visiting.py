"""A person at the inbox: opens pages, sends forms, reads what is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from policy_middleware.approvals import ApprovalTask, Approver
from policy_middleware.console import Inbox, PageRequest, Visitor
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.decision import ApprovalRequirement
from policy_middleware.responses import Response
from tests.approvals.parking import park

BASE = "/_policy/inbox"
BEA = Visitor(Approver("bea", ("dpo",)), ("acme",))
FORM = {"content-type": ("application/x-www-form-urlencoded",), "sec-fetch-site": ("same-origin",)}


@dataclass(frozen=True)
class Desk:
    enforcer: PolicyEnforcer
    inbox: Inbox

    def park(
        self,
        *requirements: ApprovalRequirement,
        tenant: str = "acme",
        requester: str = "alice",
        body: str = "1",
    ) -> ApprovalTask:
        return park(self.enforcer.approvals, *requirements, tenant=tenant, requester=requester, body=body)

    def open(self, path: str = "/", query: str = "", visitor: Visitor = BEA, method: str = "GET") -> Response:
        return self.inbox.answer(PageRequest(method, path, BASE, query), visitor)

    def send(
        self,
        path: str,
        visitor: Visitor = BEA,
        headers: Mapping[str, tuple[str, ...]] = FORM,
        **fields: str,
    ) -> Response:
        body = urlencode(fields).encode()
        return self.inbox.answer(PageRequest("POST", path, BASE, "", headers, body), visitor)

    def task(self, task: ApprovalTask) -> ApprovalTask:
        found = self.enforcer.approvals.get(task.tenant, task.id)
        assert found is not None
        return found


def path_of(task: ApprovalTask, verb: str = "") -> str:
    return f"/requests/{task.tenant}/{task.id}" + (f"/{verb}" if verb else "")


def text_of(response: Response) -> str:
    """Return what a person reads, with single blanks."""
    without_tags = re.sub(r"<[^>]*>", "", response.body.decode())
    return " ".join(without_tags.split())


def header_of(response: Response, name: str) -> str | None:
    values = [value for key, value in response.headers if key.lower() == name.lower()]
    assert len(values) <= 1
    return values[0] if values else None
