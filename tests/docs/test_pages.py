"""Every snippet of README.md and docs/ does what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.page import ROOT, Reader, commands, matches, snippets
from tests.servers import Server

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")


def of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", [page for page in PAGES if snippets(page)], ids=of)
def test_every_snippet_does_what_the_page_says(
    page: Path, tmp_path: Path, new_server: Callable[..., Server]
) -> None:
    directory = tmp_path / "reader"
    directory.mkdir()
    if any((snippet.title or "").startswith("mysite/") for snippet in snippets(page)):
        subprocess.run(
            (sys.executable, "-m", "django", "startproject", "mysite", str(directory)), check=True, timeout=60
        )
    with Reader(directory, new_server().port) as reader:
        reader.follow(page)


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), f"{of(page)} links to {target}"
        if anchor and linked.suffix == ".md":
            assert anchor in headings(linked), f"{of(page)} links to {target}#{anchor}"


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_a_command_goes_on_after_a_backslash_and_ends_where_its_output_begins() -> None:
    (first, second) = commands("$ echo \\\n  a\na\n$ true\n")
    assert (first.line, first.output) == ("echo \\\n  a", "a")
    assert (second.line, second.output) == ("true", "")


def test_an_ellipsis_stands_for_anything_but_the_rest_has_to_be_there() -> None:
    assert matches("one ... three", "one two\ntwo three")
    assert not matches("one ... three", "one two")
    assert not matches("one", "one two")
