"""Commands about masking: try a mask on a file, list what is recognised, decrypt what was encrypted."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Final

import click
from pydantic import ValidationError
from rich.text import Text

from policy_middleware.cli.inputs import STANDARD_INPUT, read_bytes, read_document
from policy_middleware.cli.options import optional_tenant_option, output_option
from policy_middleware.cli.output import console, note, print_json, print_table
from policy_middleware.masking import MaskKeys
from policy_middleware.masking.marking import Piece, marked
from policy_middleware.masking.masker import MaskedBody, Masker
from policy_middleware.masking.operators.constants import FIELD
from policy_middleware.masking.operators.encrypting import Encrypt
from policy_middleware.masking.recognition import RECOGNIZERS
from policy_middleware.model.errors import MaskError
from policy_middleware.model.mask_models import MaskModel
from policy_middleware.model.policy import MaskSpec
from policy_middleware.model.printing import printable
from policy_middleware.model.vocabulary import DEFAULT
from policy_middleware.settings import EnforcerSettings

_MOST_BYTES: Final = 16 * 1024 * 1024
_TYPES: Final = {
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".csv": "text/csv",
    ".html": "text/html",
    ".xml": "application/xml",
}
_PLAIN: Final = "text/plain"
_TRIED_AS: Final = "example"
_STYLES: Final = ("black on yellow", "black on cyan", "black on green", "white on magenta", "white on blue")


@click.group("mask")
def mask() -> None:
    """Try masks, list what is recognised in text, decrypt what `encrypt` wrote."""


@mask.command("try")
@click.argument("path", metavar="FILE")
@click.option(
    "--policy",
    "policy",
    metavar="FILE",
    help="Take the masks of this document's rules instead of --entities.",
)
@click.option("--rule", "rule_id", metavar="ID", help="Only the mask of this rule of --policy.")
@click.option(
    "--entities",
    metavar="NAMES",
    help="What to look for, separated by commas, with or without an operator: EMAIL_ADDRESS,US_SSN=hash. "
    "Without anything: all that is recognised.",
)
@click.option(
    "--field", "fields", multiple=True, metavar="PATH=OPERATOR", help="A field to mask; repeatable."
)
@click.option("--type", "content_type", metavar="TYPE", help="The Content-Type; else by the file's name.")
@optional_tenant_option
@output_option
def try_mask(
    path: str,
    policy: str | None,
    rule_id: str | None,
    entities: str | None,
    fields: Sequence[str],
    content_type: str | None,
    tenant: str | None,
    output: str,
) -> None:
    """Show FILE (or `-`) before and after masking, with everything that is found named and coloured.

    Keyed operators take the tenant's key from POLICY_MASK_SECRET, else one made up for this run.
    """
    if policy is not None and (entities is not None or fields):
        raise click.UsageError("--policy says what is masked; leave out --entities and --field")
    if rule_id is not None and policy is None:
        raise click.UsageError("--rule names a rule of the document given with --policy")
    spec = _of_policy(policy, rule_id) if policy is not None else _of_options(entities, fields)
    body = read_bytes(path, _MOST_BYTES)
    kind = content_type or _type_of(path, body)
    key = _key(spec, tenant)
    try:
        masker = Masker.from_spec(spec, tenant_key=key)
    except MaskError as error:
        raise click.UsageError(str(error)) from None
    result = masker.mask(body, kind)
    before, after = marked(spec, body, kind, tenant_key=key)
    if output == "json":
        print_json(_as_dict(result, before))
        return
    out = console()
    for title, pieces in (("before", before), ("after", after)):
        out.print(Text(title, style="bold"), soft_wrap=True)
        out.print(_coloured(pieces), soft_wrap=True)
    _summary(result)


@mask.command("recognizers")
@output_option
def recognizers(output: str) -> None:
    """List what can be recognised in text: the names for `entities` of a mask, with examples."""
    known = sorted(RECOGNIZERS.values(), key=lambda one: one.entity)
    if output == "json":
        print_json(
            [
                {
                    "entity": one.entity,
                    "description": one.description,
                    "examples": list(one.examples),
                    "needs_context": one.needs_context,
                }
                for one in known
            ]
        )
        return
    rows = [(one.entity, one.description, "\n".join(one.examples)) for one in known]
    print_table(("entity", "what it finds", "examples"), rows, empty="nothing is recognised")


@mask.command("decrypt")
@click.argument("path", metavar="FILE")
@optional_tenant_option
def decrypt(path: str, tenant: str | None) -> None:
    """Print FILE (or `-`) with everything readable that `encrypt` wrote for the tenant.

    The key comes from POLICY_MASK_SECRET. What was encrypted for another tenant, or under another secret,
    stays as it is.
    """
    if tenant is None:
        raise click.UsageError("name the tenant with --tenant: every tenant has a key of its own")
    key = _configured_keys().of(tenant)
    if key is None:
        raise click.UsageError("set POLICY_MASK_SECRET to the secret the values were encrypted under")
    text = read_bytes(path, _MOST_BYTES).decode(errors="surrogateescape")
    readable, count = Encrypt(0, key).decrypted(text, _in_json if _is_json(text) else str)
    click.echo(readable.encode(errors="surrogateescape"), nl=False)
    note(f"{count} decrypted")


def _of_policy(policy: str, rule_id: str | None) -> MaskSpec:
    document = read_document(policy).parsed(_document_name(policy))
    masks = {rule.id: rule.mask for rule in document.rules if rule.mask is not None}
    if rule_id is not None:
        if rule_id not in masks:
            known = ", ".join(masks) or "none"
            raise click.UsageError(f"{policy} has no mask rule {rule_id!r}; there are: {known}")
        return masks[rule_id]
    if not masks:
        raise click.UsageError(f"{policy} has no rule that masks")
    return reduce(or_, masks.values())


def _document_name(policy: str) -> str:
    name = Path(policy).stem
    return name if name.startswith("_") else DEFAULT


def _of_options(entities: str | None, fields: Iterable[str]) -> MaskSpec:
    written: dict[str, dict[str, str]] = {"fields": {}, "entities": {}}
    for field in fields:
        path, equals, operator = field.rpartition("=")
        if not equals:
            raise click.UsageError(f"--field {field!r}: write PATH=OPERATOR, such as **.email=redact")
        written["fields"][path] = operator
    names = list(RECOGNIZERS) if entities is None and not written["fields"] else (entities or "").split(",")
    for name in filter(None, (name.strip() for name in names)):
        entity, _, operator = name.partition("=")
        written["entities"][entity] = operator or "replace"
    try:
        return MaskModel.model_validate(written).spec({})
    except ValidationError as error:
        raise click.UsageError(str(error.errors()[0].get("ctx", {}).get("error", error))) from None


def _type_of(path: str, body: bytes) -> str:
    known = _TYPES.get(Path(path).suffix.lower())
    if known is not None:
        return known
    is_json = path == STANDARD_INPUT and _is_json(body.decode(errors="replace"))
    return _TYPES[".json"] if is_json else _PLAIN


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _in_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _configured_keys() -> MaskKeys:
    return MaskKeys(EnforcerSettings.load({}).mask_secret, None)


def _key(spec: MaskSpec, tenant: str | None) -> bytes | None:
    if not spec.needs_key:
        return None
    keys = _configured_keys()
    if keys.configured and tenant is None:
        raise click.UsageError("name the tenant with --tenant: every tenant has a key of its own")
    key = keys.of(tenant or _TRIED_AS)
    if key is None:
        note("no POLICY_MASK_SECRET: pseudonyms are made with a key of this run only")
        key = secrets.token_bytes(32)
    return key


def _coloured(pieces: Iterable[Piece]) -> Text:
    text = Text()
    styles: dict[str, str] = {}
    for piece in pieces:
        shown = printable(piece.text)
        if piece.entity is None:
            text.append(shown)
            continue
        style = styles.setdefault(piece.entity, _STYLES[len(styles) % len(_STYLES)])
        text.append(shown, style)
        text.append(f"[{_label(piece.entity)}]", f"dim {style}")
    return text


def _label(entity: str) -> str:
    return "field" if entity == FIELD else entity


def _as_dict(result: MaskedBody, before: Sequence[Piece]) -> dict[str, object]:
    return {
        "masked": result.body.decode(errors="replace"),
        "count": result.count,
        "entities": dict(result.entities),
        "found": [
            {"text": piece.text, "what": _label(piece.entity)} for piece in before if piece.entity is not None
        ],
    }


def _summary(result: MaskedBody) -> None:
    found = ", ".join(f"{entity} {count}" for entity, count in sorted(result.entities.items()))
    note(f"{result.count} masked" + (f": {found}" if found else ""))
