"""`policyctl demo`: every effect, a hot reload and an incident, in this process, with nothing to install."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import click
from rich.text import Text

from policy_middleware.approvals import Approver
from policy_middleware.attributes import header, query
from policy_middleware.cli.demo_service import (
    NO_INCIDENT,
    POLICY,
    RULES,
    SUPPORT_DELETES,
    TENANT,
    Answer,
    Person,
    ask,
    incident,
    service,
)
from policy_middleware.cli.exit_codes import ExitCode
from policy_middleware.cli.options import output_option
from policy_middleware.cli.output import EFFECT_STYLES, console, note, print_json, say
from policy_middleware.decision_log.record import DECISION
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import ApprovalError
from policy_middleware.model.printing import printable
from policy_middleware.model.vocabulary import INCIDENT
from policy_middleware.responses import APPROVAL_ID_HEADER, DECISION_ID_HEADER
from policy_middleware.settings import EnforcerSettings, GateSettings
from policy_middleware.wsgi import PolicyMiddleware

ANA: Final = Person("ana", "analyst")
SAM: Final = Person("sam", "support")
BEA: Final = Approver("bea", ("dpo",))

READ: Final = ("GET", "/customers/c1")
DELETE: Final = ("DELETE", "/customers/c1")
SMALL_EXPORT: Final = ("POST", "/reports/export?rows=10")
EXPORT: Final = ("POST", "/reports/export?rows=5000")


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the walk: what was asked, its decision record, what came back, was it expected."""

    title: str
    person: Person
    method: str
    target: str
    decision: Mapping[str, object]
    answer: Answer
    expected: bool

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON data."""
        return {
            "title": self.title,
            "request": {
                "method": self.method,
                "target": self.target,
                "subject": self.person.name,
                "role": self.person.role,
            },
            "decision": {key: self.decision.get(key) for key in ("effect", "rule", "matched", "reason")},
            "response": {"status": self.answer.status, "body": self.answer.body},
            "expected": self.expected,
        }


class Walk:
    """Sends requests through the package's own middleware and keeps what came of each.

    `tell` is called with each step, and with a sentence for whatever is done between two of them.
    """

    def __init__(self, tell: Callable[[Step | str], None]) -> None:
        self.steps: list[Step] = []
        self._tell = tell
        self._records: dict[object, Mapping[str, object]] = {}
        # The demo shows the defaults, whatever POLICY_* the environment holds.
        self._enforcer = PolicyEnforcer(EnforcerSettings(decision_log=self._keep))
        self._app = PolicyMiddleware(
            service,
            **{
                **dict(GateSettings()),
                "enforcer": self._enforcer,
                "tenant": header("X-Tenant-ID"),
                "subject": header("X-User"),
                "roles": header("X-Roles"),
                "attributes": {"resource.rows": query("rows", type=int)},
            },
        )

    def run(self) -> bool:
        """Take every step; True when each was as expected."""
        with self._enforcer:
            self._publish(
                TENANT, POLICY, "publish acme: analysts work, support sees masked data, exports are asked"
            )
            self._step("allow", ANA, *READ, status=200, holds=lambda answer: "@" in answer.body["email"])
            self._step("deny", ANA, *DELETE, status=403)
            self._step("mask", SAM, *READ, status=200, holds=lambda answer: "@" not in answer.body["email"])
            self._approval()
            self._reload()
            self._incident()
        return all(step.expected for step in self.steps)

    def _approval(self) -> None:
        parked = self._step("park for a second person", ANA, *EXPORT, status=202)
        task_id = parked.headers.get(APPROVAL_ID_HEADER.lower(), "")
        replay = {APPROVAL_ID_HEADER: task_id}
        try:
            self._enforcer.approvals.approve(TENANT, task_id, BEA, "checked")
        except ApprovalError as error:
            self._tell(f"bea, the data protection officer, cannot approve: {error}")
        else:
            self._tell("bea, the data protection officer, approves")
        self._step("replay with the approval", ANA, *EXPORT, replay, status=200)
        self._step("an approval is good for one run", ANA, *EXPORT, replay, status=409)

    def _reload(self) -> None:
        self._step("before the rule", SAM, *DELETE, status=403)
        rules = [*RULES, SUPPORT_DELETES]
        self._publish(TENANT, {**POLICY, "rules": rules}, "publish acme with a rule more: support deletes")
        self._step("hot reload: the very next request", SAM, *DELETE, status=200)

    def _incident(self) -> None:
        self._step("before the incident", ANA, *SMALL_EXPORT, status=200)
        self._publish(
            INCIDENT, incident(), "publish _incident: exports are off for every tenant, for an hour"
        )
        self._step("incident", ANA, *SMALL_EXPORT, status=403)
        self._publish(INCIDENT, NO_INCIDENT, "publish _incident without rules: it is over")
        self._step("back to normal", ANA, *SMALL_EXPORT, status=200)

    def _publish(self, name: str, document: Mapping[str, object], sentence: str) -> None:
        self._enforcer.publish(name, document, author="demo")
        self._tell(sentence)

    def _step(
        self,
        title: str,
        person: Person,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        *,
        status: int,
        holds: Callable[[Answer], bool] = lambda answer: True,
    ) -> Answer:
        answer = ask(self._app, person, method, target, headers)
        self._enforcer.decision_log.flush()
        record = self._records.get(answer.headers.get(DECISION_ID_HEADER.lower()), {})
        step = Step(title, person, method, target, record, answer, answer.status == status and holds(answer))
        self.steps.append(step)
        self._tell(step)
        return answer

    def _keep(self, record: Mapping[str, object]) -> None:
        if record.get("event") == DECISION:
            self._records[record["decision_id"]] = record


@click.command()
@output_option
def demo(output: str) -> None:
    """Watch every effect, a hot reload and an incident, in this process.

    Needs no server and changes nothing. Exits with 0 when every step was as expected, else with 1.
    """
    walk = Walk(tell=(lambda what: None) if output == "json" else _print)
    as_expected = walk.run()
    if output == "json":
        print_json([step.as_dict() for step in walk.steps])
    else:
        expected = sum(step.expected for step in walk.steps)
        say(f"\n{expected} of {len(walk.steps)} steps as expected")
    if not as_expected:
        for step in walk.steps:
            if not step.expected:
                note(
                    f"unexpected: {step.title}: {step.method} {step.target} was answered {step.answer.status}"
                )
        sys.exit(ExitCode.UNEXPECTED)


def _print(what: Step | str) -> None:
    """Print a step as request, decision and response, or a sentence."""
    out = console()
    if isinstance(what, str):
        out.print(Text(f"\n- {what}", "bold"), soft_wrap=True)
        return
    verdict = Text("\n  ok  ", "green") if what.expected else Text("\n  UNEXPECTED  ", "bold red")
    out.print(verdict + Text(what.title), soft_wrap=True)
    asked = f"{what.method} {what.target}   {what.person.name}, {what.person.role} of {TENANT}"
    out.print(Text(f"   >  {asked}", "dim"), soft_wrap=True)
    effect = str(what.decision.get("effect", "no decision"))
    decided_by = what.decision.get("rule") or what.decision.get("matched") or "nobody"
    reason = what.decision.get("reason") or ""
    decided = Text("   =  ") + Text(effect, EFFECT_STYLES.get(effect, ""))
    out.print(decided + Text(printable(f" by {decided_by}: {reason}")), soft_wrap=True)
    out.print(Text(f"   <  {what.answer.status}  {_brief(what.answer)}"), soft_wrap=True)


def _brief(answer: Answer) -> str:
    """Return what a reader looks for in a body: a problem's detail, a task's id, else all of it."""
    match answer.body:
        case {"task": {"id": task_id, "status": task_status}}:
            return printable(f"task {task_id} is {task_status}")
        case {"detail": str(detail)}:
            return printable(detail)
    return printable(json.dumps(answer.body, ensure_ascii=False))
