"""Commands that switch one rule of a stored document."""

from __future__ import annotations

from collections.abc import Callable

import click

from policy_middleware.authoring.difference import compare_documents
from policy_middleware.authoring.rule_edits import Switch, UnknownRule, switch_rule
from policy_middleware.cli.editing import tell_change, tell_plan
from policy_middleware.cli.options import (
    author_option,
    document_option,
    dry_run_option,
    group_options,
    name_and_rest,
    note_option,
    output_option,
    required_name,
    store_options,
)
from policy_middleware.cli.output import say
from policy_middleware.cli.places import StorePlace
from policy_middleware.cli.stored_edits import edit_stored, stored_body
from policy_middleware.model.documents import revision_of
from policy_middleware.settings import EnforcerSettings


@click.group()
@group_options
def rule(**shared: object) -> None:
    """Switch single rules of a stored document off and on, or between observing and enforcing."""


def _switch_command(switch: Switch, summary: str) -> click.Command:
    @author_option
    @note_option
    @dry_run_option
    @store_options
    @output_option
    def command(
        words: tuple[str, ...],
        tenant: str | None,
        author: str,
        note: str | None,
        dry_run: bool,
        place: StorePlace,
        output: str,
    ) -> None:
        name, (rule_id,) = name_and_rest(words, ("ID",), tenant)
        _switch(required_name(name), rule_id, switch, author, note, dry_run, place, output)

    command.__doc__ = summary
    with_words: Callable[..., None] = click.argument("words", metavar="[NAME] ID", nargs=-1, required=True)(
        document_option(command)
    )
    return click.command(switch.value)(with_words)


def _switch(
    name: str,
    rule_id: str,
    switch: Switch,
    author: str,
    note: str | None,
    dry_run: bool,
    place: StorePlace,
    output: str,
) -> None:
    limit = EnforcerSettings.load({}).max_document_bytes

    def edit(body: bytes | None) -> bytes:
        if body is None:
            raise UnknownRule(f"there is no document {name!r}; `policyctl list` shows which there are")
        return switch_rule(body, rule_id, switch, name=name, max_bytes=limit)

    with place.store() as store:
        if dry_run:
            body = stored_body(store, name)
            after = edit(body)
            tell_plan(name, None if body is None else revision_of(body), revision_of(after), output)
        before, stored = edit_stored(
            store, name, edit, author=author, note=note or f"rule {switch.value} {rule_id}"
        )
        difference = compare_documents(before, stored.body, name=name, max_bytes=limit)
        undo = f"policyctl rule {switch.opposite.value} {name} {rule_id}"
        more = {"rule": rule_id, "undo": undo if difference else None, **difference.as_dict()}
        tell_change(store, None if before is None else revision_of(before), stored, "published", output, more)
    if output != "json" and difference:
        say(next(difference.lines()).partition(" ")[2])
        say(f"`{undo}` undoes this")


for _switch_kind, _summary in (
    (Switch.DISABLE, "Switch the rule ID off.\n\n    It stays in the document and decides nothing."),
    (Switch.ENABLE, "Switch the rule ID on again."),
    (Switch.OBSERVE, "Let the rule ID decide nothing, and record what it would have done."),
    (Switch.ENFORCE, "Let the rule ID decide, after it was observed."),
):
    rule.add_command(_switch_command(_switch_kind, _summary))
