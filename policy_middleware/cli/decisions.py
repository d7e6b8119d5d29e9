"""Commands that ask what policies say of a request."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click

from policy_middleware.cli.exit_codes import ExitCode
from policy_middleware.cli.inputs import Input, read_context, read_documents
from policy_middleware.cli.log_options import log_options
from policy_middleware.cli.options import Command, optional_tenant_option, output_option, store_options
from policy_middleware.cli.output import counted, print_fields, print_json, print_table, say
from policy_middleware.cli.past_decisions import past_decision, tell_past_decision
from policy_middleware.cli.places import IN_MEMORY, StorePlace, open_enforcer
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.evaluation.trace import DocumentTrace, RuleTrace, Standing
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Outcome, PolicyDecision
from policy_middleware.model.errors import short_revision
from policy_middleware.model.vocabulary import RESERVED_DOCUMENTS

_TENANT_KEYS: Final = ("tenant", "tenant_id")
_STANDINGS: Final[Mapping[Standing, str]] = {
    Standing.DECIDES: "decides",
    Standing.FLOOR: "restricts, because it cannot be evaluated",
    Standing.OBSERVED: "would count, but is only observed",
    Standing.NO_MATCH: "does not match",
    Standing.NOT_REACHED: "not reached",
    Standing.INACTIVE: "inactive",
}
_INDETERMINATE: Final = "a restricting rule could not be evaluated, so it counts as if it matched"


def _question(command: Command, *, required: bool = True) -> Command:
    """Add the options by which a request is described."""
    described = click.option(
        "-i",
        "--input",
        "source",
        required=required,
        metavar="CONTEXT",
        help="The request as a JSON object: the text itself, a file, or `-` for standard input.",
    )
    drafts = click.option(
        "--policy",
        "drafts",
        multiple=True,
        metavar="FILE",
        help="Ask this document instead of the store; may be repeated. One named _global.json, "
        "_incident.json or _default.json stands for that document, any other for the tenant's.",
    )
    return described(drafts(optional_tenant_option(command)))


@click.command("eval")
@_question
@store_options
@output_option
def evaluate(
    source: str, drafts: tuple[str, ...], tenant: str | None, place: StorePlace, output: str
) -> None:
    """Decide a request, without a record of it.

    Exits with 6 when the request would not run: denied, or waiting for approval.

    \b
    policyctl eval -t acme -i '{"role": "viewer", "action": "document.delete"}'
    """
    context = _context(source, tenant)
    with _enforcer(drafts, context.tenant, place) as enforcer:
        decision = enforcer.evaluate(context)
    if output == "json":
        print_json(_decision(decision))
    else:
        print_fields(_fields(decision))
    sys.exit(ExitCode.OK if decision.allowed else ExitCode.WOULD_CHANGE_OR_BE_DENIED)


@click.command()
@click.argument("decision_id", required=False)
@partial(_question, required=False)
@log_options
@output_option
def explain(
    decision_id: str | None,
    source: str | None,
    drafts: tuple[str, ...],
    tenant: str | None,
    log_file: Path | None,
    place: StorePlace,
    output: str,
) -> None:
    """Show rule by rule why a request is decided as it is, or why a past one was.

    Each rule comes with the comparisons that settled it, and the values they saw. A DECISION_ID (the header
    X-Policy-Decision-Id of a response) is looked up in the decision log, and asked again over the revisions
    that were in force; exits with 6 when that gives another answer, or cannot be done any more.
    """
    if (decision_id is None) == (source is None):
        raise click.UsageError("give a DECISION_ID, or a request with -i")
    if decision_id is not None:
        if drafts:
            raise click.UsageError(
                "--policy goes with -i; `policyctl replay` asks a file about past requests"
            )
        _explain_past(decision_id, log_file, place, output)
        return
    assert source is not None
    context = _context(source, tenant)
    with _enforcer(drafts, context.tenant, place) as enforcer:
        explanation = enforcer.explain(context)
    if output == "json":
        print_json(explanation.as_dict())
        return
    outcome = explanation.outcome
    print_fields(
        {"effect": outcome.effect.value, "reason": outcome.reason, "decided by": _decided_by(outcome)}
    )
    for document in explanation.documents:
        _print_trace(document)


def _explain_past(decision_id: str, log_file: Path | None, place: StorePlace, output: str) -> None:
    told = past_decision(decision_id, log_file, place)
    if output == "json":
        print_json(told.as_dict())
    else:
        tell_past_decision(told, _print_trace)
    sys.exit(ExitCode.WOULD_CHANGE_OR_BE_DENIED if told.failed else ExitCode.OK)


def _context(source: str, tenant: str | None) -> RequestContext:
    data = read_context(source)
    if not any(key in data for key in _TENANT_KEYS):
        if tenant is None:
            raise click.UsageError(
                'which tenant? Put "tenant" into the context, write --tenant NAME, or set POLICYCTL_TENANT'
            )
        data["tenant"] = tenant
    return RequestContext.from_mapping(data)


@contextmanager
def _enforcer(drafts: Sequence[str], tenant: str, place: StorePlace) -> Iterator[PolicyEnforcer]:
    if not drafts:
        with place.enforcer() as enforcer:
            yield enforcer
        return
    documents: dict[str, Input] = {}
    for read in read_documents(drafts):
        name = read.document_name if read.document_name in RESERVED_DOCUMENTS else tenant
        if name in documents:
            raise click.UsageError(
                f"{documents[name].label} and {read.label} both stand for {name!r}; give one"
            )
        documents[name] = read
    with open_enforcer(IN_MEMORY, place.key_prefix) as enforcer:
        for name, read in documents.items():
            read.parsed(name)
            enforcer.publish(name, read.body)
        yield enforcer


def _fields(decision: PolicyDecision) -> dict[str, object]:
    fields: dict[str, object] = {
        "effect": decision.effect.value,
        "reason": decision.reason,
        "decided by": _decided_by(decision.outcome),
    }
    if decision.indeterminate:
        fields["caution"] = _INDETERMINATE
    if decision.obligations.mask is not None:
        fields["masked"] = ", ".join(
            f"{field.path} ({field.operator.value})" for field in decision.obligations.mask.fields
        )
    for needed in decision.obligations.approvals:
        fields["needs"] = f"{counted(needed.approval.required, 'approval')} for {needed.rule_id}"
    if decision.facts:
        fields["counted"] = "\n".join(
            f"{'unknown' if number is None else number} is the {name}"
            for name, number in decision.facts.items()
        )
    if decision.observed:
        fields["observed"] = ", ".join(
            f"{rule.rule_id} would {rule.effect.value}" for rule in decision.observed
        )
    fields["revisions"] = ", ".join(f"{name} {short_revision(at)}" for name, at in decision.revisions.items())
    return fields


def _decided_by(outcome: Outcome) -> str:
    """Return what decided, in words."""
    what = f"rule {outcome.rule_id}" if outcome.rule_id else outcome.matched.value.replace("_", " ")
    where = f" of {outcome.document}" if outcome.document else ""
    return what + where


def _decision(decision: PolicyDecision) -> dict[str, object]:
    mask = decision.obligations.mask
    return {
        "allowed": decision.allowed,
        "effect": decision.effect.value,
        "reason": decision.reason,
        "rule_id": decision.rule_id,
        "document": decision.document,
        "matched": decision.matched.value,
        "indeterminate": decision.indeterminate,
        "mask": None
        if mask is None
        else {"fields": {field.path: field.operator.value for field in mask.fields}},
        "approvals": [
            {"document": one.document, "rule_id": one.rule_id, "required": one.approval.required}
            for one in decision.obligations.approvals
        ],
        "observed": [
            {"document": rule.document, "rule_id": rule.rule_id, "effect": rule.effect.value}
            for rule in decision.observed
        ],
        "facts": dict(decision.facts),
        "revisions": dict(decision.revisions),
    }


def _print_trace(document: DocumentTrace) -> None:
    default = f"default {document.default.value}" if document.default else "no default"
    combined = document.combine.value.replace("_", " ")
    say(f"\n{document.name} at {short_revision(document.revision)} ({combined}, {default})")
    print_table(
        ("rule", "effect", "standing", "because"),
        ((rule.id, rule.effect.value, _STANDINGS[rule.standing], _because(rule)) for rule in document.rules),
        empty="  no rules",
    )


def _because(rule: RuleTrace) -> str:
    return "\n".join(map(str, rule.leaves))
