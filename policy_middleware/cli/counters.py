"""`policyctl counters`: what rules have counted of somebody, and letting somebody in again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import click

from policy_middleware.cli.inputs import read_context
from policy_middleware.cli.options import (
    Command,
    author_option,
    group_options,
    note_option,
    output_option,
    store_options,
    tenant_option,
)
from policy_middleware.cli.output import print_json, print_table, say
from policy_middleware.cli.places import StorePlace
from policy_middleware.counters import HeldCount, NoSuchCount


@click.group()
@group_options
def counters(**shared: object) -> None:
    """Look at what rules count, and set it back."""


def _whose(command: Command) -> Command:
    described = click.option(
        "-i",
        "--input",
        "source",
        required=True,
        metavar="CONTEXT",
        help='The values that are counted by, as JSON ({"user": "eve"}): the text, a file, or `-`.',
    )
    return described(tenant_option(command))


@counters.command()
@click.argument("rule", required=False)
@_whose
@store_options
@output_option
def show(rule: str | None, source: str, tenant: str, place: StorePlace, output: str) -> None:
    """Show what every rule, or RULE, has counted of somebody, and what it asks.

    \b
    policyctl counters show -t acme -i '{"user": "eve"}'
    """
    context = {**read_context(source), "tenant": tenant}
    with place.counting() as enforcer:
        try:
            held = enforcer.counts(context, rule)
        except NoSuchCount as error:
            raise click.UsageError(str(error)) from None
    _print(held, output)


@counters.command()
@click.argument("rule")
@_whose
@author_option
@note_option
@store_options
@output_option
def reset(
    rule: str, source: str, tenant: str, author: str, note: str | None, place: StorePlace, output: str
) -> None:
    """Set what RULE has counted of somebody back to zero, so that a lock-out or a used-up limit ends.

    Who did it, and why, is in the decision log, with the numbers that there were.

    \b
    policyctl counters reset locked-out -t acme -i '{"user": "eve"}' --note "she called"
    """
    context = {**read_context(source), "tenant": tenant}
    with place.counting() as enforcer:
        try:
            held = enforcer.reset_counts(context, rule, author=author, note=note)
        except NoSuchCount as error:
            raise click.UsageError(str(error)) from None
    cleared = [one for one in held if not one.missing]
    if output == "json":
        print_json([asdict(one) for one in cleared])
        return
    for one in cleared:
        say(f"set back to 0 from {one.number}: {one.attribute}, asked by {one.document}/{one.rule}")


def _print(held: Iterable[HeldCount], output: str) -> None:
    if output == "json":
        print_json([asdict(one) for one in held])
        return
    print_table(
        ("rule", "counted", "asks", "what is counted"),
        (
            (
                f"{one.document}/{one.rule}",
                f"needs {', '.join(one.missing)}" if one.missing else str(one.number),
                one.asks,
                one.attribute,
            )
            for one in held
        ),
        empty="no rule of this tenant counts anything",
    )
