"""Commands for the moment when something is on fire: every tenant, at once, until a time."""

from __future__ import annotations

import time
from collections.abc import Callable

import click
from click.core import ParameterSource

from policy_middleware.authoring.incidents import Emergency, rules_of, switch_off, switch_on
from policy_middleware.authoring.wording import compact
from policy_middleware.cli.editing import tell_change, tell_plan
from policy_middleware.cli.options import (
    Command,
    author_option,
    dry_run_option,
    group_options,
    note_option,
    output_option,
    store_options,
    text,
)
from policy_middleware.cli.output import moment, print_json, print_table, say
from policy_middleware.cli.places import StorePlace
from policy_middleware.cli.stored_edits import edit_stored, stored_body
from policy_middleware.model.condition_codec import condition_to_json
from policy_middleware.model.documents import revision_of
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import Rule
from policy_middleware.model.times import duration_seconds, format_time, moment_seconds
from policy_middleware.model.vocabulary import INCIDENT, is_tenant_id
from policy_middleware.stores.protocol import VIA_DELETE

NOTHING_ON = "no emergency rule is on"


@click.group()
@group_options
def incident(**shared: object) -> None:
    """Restrict actions of every tenant at once, until a time, and end that again.

    The rules are in the document _incident: they only restrict, and the strictest wins.
    """
    context: click.Context | None = click.get_current_context()
    while context is not None:
        # Who writes `policyctl -t acme incident on` must not close the doors of all the others.
        if context.get_parameter_source("tenant") is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                "emergency rules are for every tenant; `incident on ... --only-tenant TENANT` is for one"
            )
        context = context.parent


def until(value: str) -> float:
    """Return a moment in the future, in seconds since the epoch: `2h` from now, or RFC 3339."""
    now = time.time()
    try:
        return now + duration_seconds(value)
    except ValueError:
        pass
    try:
        moment_given = moment_seconds(value)
    except ValueError:
        example = format_time(now + 7200)
        raise click.BadParameter(f"{value!r} is neither like 30m, 2h or 3d nor like {example}") from None
    if moment_given <= now:
        raise click.BadParameter(f"{value!r} is over; it is {format_time(now)} now")
    return moment_given


def _tenants(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not is_tenant_id(name):
            raise click.BadParameter(f"{name!r} is no tenant id", ctx, param)
    return names


def _emergency_options(command: Command) -> Command:
    options: list[Callable[[Command], Command]] = [
        click.argument("actions", metavar="ACTIONS", type=text),
        click.option(
            "--effect",
            type=click.Choice([effect.value for effect in Effect if effect.restricts]),
            default=Effect.DENY.value,
            show_default=True,
            help="What happens to the requests.",
        ),
        click.option(
            "--until",
            "ends",
            type=until,
            required=True,
            metavar="TIME",
            help="When it ends: 30m, 2h, 3d, or RFC 3339.",
        ),
        click.option("--reason", type=text, required=True, help="Why; the clients read it."),
        click.option(
            "--only-tenant",
            "tenants",
            multiple=True,
            metavar="TENANT",
            callback=_tenants,
            help="Only for this tenant; may be repeated.",
        ),
        click.option(
            "--approver-role",
            "roles",
            type=text,
            multiple=True,
            help="With require_approval: who may approve; may be repeated.",
        ),
        click.option(
            "--field",
            "fields",
            type=text,
            multiple=True,
            help="With mask: what is redacted, such as '**.email'; may be repeated.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@incident.command("on")
@_emergency_options
@author_option
@note_option
@dry_run_option
@store_options
@output_option
def switch_incident_on(
    actions: str,
    effect: str,
    ends: float,
    reason: str,
    tenants: tuple[str, ...],
    roles: tuple[str, ...],
    fields: tuple[str, ...],
    author: str,
    note: str | None,
    dry_run: bool,
    place: StorePlace,
    output: str,
) -> None:
    """Restrict ACTIONS: one action, or a pattern such as 'agent.*' or '*'.

    Saying it again for the same actions changes the rule that is on. The note is kept with the rule and in
    the history.
    """
    _check_belongings(effect, roles, fields)
    emergency = Emergency(actions, Effect(effect), ends, reason, note, tenants, roles, fields)
    with place.store() as store:
        if dry_run:
            before = stored_body(store, INCIDENT)
            after = switch_on(before, emergency).body
            tell_plan(INCIDENT, None if before is None else revision_of(before), revision_of(after), output)
        before, stored = edit_stored(
            store,
            INCIDENT,
            lambda body: switch_on(body, emergency).body,
            author=author,
            note=note or f"incident on {actions}: {effect}",
        )
        rule_id = switch_on(stored.body, emergency).rule_id
        undo = f"policyctl incident off {rule_id}"
        more = {"rule": rule_id, "until": ends, "undo": undo}
        tell_change(store, None if before is None else revision_of(before), stored, "published", output, more)
    if output != "json":
        concerned = f"tenants {', '.join(tenants)}" if tenants else "every tenant"
        say(f"{rule_id}: {effect} {actions} for {concerned} until {moment(ends)}")
        say(f"`{undo}` ends it earlier")


@incident.command("off")
@click.argument("rule_id", metavar="[ID]", required=False)
@author_option
@note_option
@dry_run_option
@store_options
@output_option
def switch_incident_off(
    rule_id: str | None, author: str, note: str | None, dry_run: bool, place: StorePlace, output: str
) -> None:
    """End the emergency rule ID; without ID, all of them."""
    with place.store() as store:
        before = stored_body(store, INCIDENT)
        after = switch_off(before, rule_id)
        if before is None or after is None:
            if output == "json":
                print_json({"document": INCIDENT, "before": None, "after": None, "changed": False})
            else:
                say(NOTHING_ON)
            return
        if dry_run:
            kept = _unless_empty(after)
            tell_plan(INCIDENT, revision_of(before), None if kept is None else revision_of(kept), output)
        replaced, stored = edit_stored(
            store,
            INCIDENT,
            lambda body: _unless_empty(switch_off(body, rule_id)),
            author=author,
            note=note or f"incident off {rule_id or '(all)'}",
        )
        earlier = None if replaced is None else revision_of(replaced)
        undo = None if earlier is None else f"policyctl rollback {INCIDENT} {earlier[:12]}"
        tell_change(store, earlier, stored, "published", output, {"rule": rule_id, "undo": undo})
        left = 0 if stored.via == VIA_DELETE else len(rules_of(stored.body))
    if output != "json":
        say(NOTHING_ON if left == 0 else f"still there: {left}; `policyctl incident list` shows them")
        if undo is not None and earlier != stored.revision:
            say(f"`{undo}` undoes this")


@incident.command("list")
@store_options
@output_option
def list_incidents(place: StorePlace, output: str) -> None:
    """List the emergency rules, those that are over included."""
    with place.store() as store:
        rules = rules_of(stored_body(store, INCIDENT))
    now = time.time()
    if output == "json":
        print_json([_as_dict(rule, now) for rule in rules])
        return
    print_table(
        ("id", "standing", "effect", "when", "until", "reason", "note"),
        (
            (
                rule.id,
                _standing(rule, now),
                rule.effect.value,
                compact(condition_to_json(rule.when)),
                moment(rule.valid_until),
                rule.reason,
                rule.note,
            )
            for rule in rules
        ),
        empty=NOTHING_ON,
    )


def _unless_empty(body: bytes | None) -> bytes | None:
    """Return None for a document without rules: no document is how an emergency ends."""
    return body if body is not None and rules_of(body) else None


def _check_belongings(effect: str, roles: tuple[str, ...], fields: tuple[str, ...]) -> None:
    if roles and effect != Effect.REQUIRE_APPROVAL:
        raise click.UsageError("--approver-role belongs to --effect require_approval")
    if fields and effect != Effect.MASK:
        raise click.UsageError("--field belongs to --effect mask")
    if effect == Effect.MASK and not fields:
        raise click.UsageError("--effect mask needs --field, such as --field '**.email'")


def _standing(rule: Rule, now: float) -> str:
    if not rule.enabled:
        return "off"
    if rule.active_at(now):
        return "observed" if rule.observe else "on"
    return "not yet" if rule.valid_from is not None and rule.valid_from > now else "over"


def _as_dict(rule: Rule, now: float) -> dict[str, object]:
    return {
        "id": rule.id,
        "standing": _standing(rule, now),
        "effect": rule.effect.value,
        "when": condition_to_json(rule.when),
        "until": rule.valid_until,
        "reason": rule.reason,
        "note": rule.note,
    }
