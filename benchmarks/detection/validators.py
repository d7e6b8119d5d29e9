"""What the authors of other packages test their own validators with.

Of the strings in the tests of the distributions below: how many of the values that their authors call valid
are recognised whole, alone and within a sentence, and how many of those that they call invalid are taken
for a value all the same. They are meant to be hard on validators, not to be like the text of responses:
quoted local parts, hosts without a dot, bare names.
"""

from __future__ import annotations

import ast
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.detection.registry import SOURCE, download
from policy_middleware.masking.recognition import recognize

DOCTEST: Final = "numbers of the doctest"


class Collection(NamedTuple):
    """Values in a file of a distribution: under lists or tests of these names."""

    distribution: str
    file: str
    entity: str
    valid: str
    invalid: str


COLLECTIONS: Final = (
    Collection("schwifty", "tests/test_iban.py", "IBAN_CODE", "valid", "invalid"),
    Collection("python-stdnum", "tests/test_iban.doctest", "IBAN_CODE", DOCTEST, "-"),
    Collection(
        *("email-validator", "tests/test_syntax.py", "EMAIL_ADDRESS"),
        *(r"test_email_valid(_intl_local_part)?", r"test_email_invalid_syntax"),
    ),
    *(
        Collection("validators", f"tests/{file}.py", entity, r"test_returns_true_on_valid.*", invalid)
        for file, entity, invalid in (
            ("test_email", "EMAIL_ADDRESS", r"test_returns_failed.*"),
            ("test_iban", "IBAN_CODE", r"test_returns_failed.*"),
            ("test_ip_address", "IP_ADDRESS", r"test_returns_failed.*invalid_ipv[46]_address"),
            ("test_mac_address", "MAC_ADDRESS", r"test_returns_failed.*"),
            ("test_url", "URL", r"test_returns_failed.*"),
            ("crypto_addresses/test_btc_address", "CRYPTO", r"test_returns_failed.*"),
            ("crypto_addresses/test_eth_address", "CRYPTO", r"test_returns_failed.*"),
        )
    ),
    Collection(
        "validators",
        "tests/test_card.py",
        "CREDIT_CARD",
        r".*_cards",
        r"test_returns_failed_on_valid_card_number",
    ),
)
_DOCTEST_VALUES: Final = re.compile(r">>> numbers = '''\n(.*?)\n\.\.\. '''", re.DOTALL)


def print_collections(directory: Path) -> None:
    """Download the distributions into `directory` and print what is recognised of each collection."""
    archives = {
        distribution: download(distribution, directory, SOURCE)
        for distribution in dict.fromkeys(one.distribution for one in COLLECTIONS)
    }
    print(f"\n{'collection':60}{'entity':15}{'valid':>6}{'alone':>7}{'in text':>8}{'invalid':>9}{'taken':>7}")
    missed: dict[str, list[str]] = {}
    for one in COLLECTIONS:
        source, version = _source(archives[one.distribution], one)
        valid, invalid = _values(source, one.valid), _values(source, one.invalid)
        alone = [value for value in valid if _whole(value, value, one.entity)]
        within = [value for value in valid if _whole(f"It was {value} then.", value, one.entity)]
        taken = [value for value in invalid if value not in valid and _whole(value, value, one.entity)]
        name = f"{version}/{one.file}"
        print(
            f"{name:60}{one.entity:15}{len(valid):6}{_part(alone, valid):>7}{_part(within, valid):>8}"
            f"{len(invalid):9}{len(taken):7}"
        )
        missed[name] = [value for value in valid if value not in alone]
    for name, values in missed.items():
        if values:
            print(f"missed in {name}: {', '.join(value[:40] for value in values[:8])}")


def _source(archive: Path, one: Collection) -> tuple[str, str]:
    """Return the text of a file, and the name and version of the archive that has it."""
    top = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive) as files:
        member = files.extractfile(f"{top}/{one.file}")
        if member is None:
            raise SystemExit(f"{archive.name} has no {one.file} any more")
        return member.read().decode(), top


def _values(source: str, named: str) -> list[str]:
    if named == DOCTEST:
        found = _DOCTEST_VALUES.search(source)
        lines = found[1].splitlines() if found is not None else []
        return [line.removeprefix("... ").strip() for line in lines if line.removeprefix("...").strip()]
    if source.startswith(("This", ">>>")) or not named.strip("-"):
        return []
    return list(dict.fromkeys(_strings(ast.parse(source), re.compile(named))))


def _strings(tree: ast.Module, named: re.Pattern[str]) -> Iterator[str]:
    """Yield the first string of every item in lists of these names, or given to tests of these names."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and named.fullmatch(target.id) for target in node.targets
        ):
            yield from _items(node.value)
        if isinstance(node, ast.FunctionDef) and named.fullmatch(node.name):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and len(decorator.args) > 1:
                    yield from _items(decorator.args[1])


def _items(node: ast.expr) -> Iterator[str]:
    for item in node.elts if isinstance(node, (ast.List, ast.Tuple)) else ():
        first = item.elts[0] if isinstance(item, ast.Tuple) and item.elts else item
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value:
            yield first.value


def _whole(text: str, value: str, entity: str) -> bool:
    start = text.index(value)
    covered: set[int] = set()
    for span in recognize(text, [entity]):
        covered.update(range(span.start, span.end))
    return covered >= set(range(start, start + len(value)))


def _part(found: list[str], values: list[str]) -> str:
    return f"{len(found) / len(values):.2f}" if values else "-"
