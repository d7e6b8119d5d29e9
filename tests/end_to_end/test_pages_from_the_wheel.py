"""The pages do what they say for somebody who has the wheel, what they tell to install, and no checkout."""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.check_wheel import build_wheel
from tests.docs.page import ROOT, Reader
from tests.servers import Server

from .newcomer import installations

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

README = ROOT / "README.md"
PAGES = (
    "README.md",
    "docs/approvals.md",
    "docs/counters.md",
    "docs/decision-log.md",
    "docs/incidents.md",
    "docs/inbox.md",
    "docs/masking.md",
    "docs/reading-the-log.md",
    "docs/rolling-out.md",
)
"""The pages of what a newcomer does next; those of identities are in test_first_hour.py."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_followed_from_the_wheel(
    page: str, wheel: Path, tmp_path: Path, new_server: Callable[..., Server]
) -> None:
    # A page that installs nothing is read after the README.
    wanted = installations(ROOT / page, wheel) or installations(README, wheel)
    # The README shows each framework's three lines; whoever runs them all has all of them.
    everything = [f"{wheel}[django,flask]", *wanted] if page == "README.md" else wanted
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *everything),
        cwd=tmp_path,
        check=True,
        timeout=500,
    )
    directory = tmp_path / "reader"
    directory.mkdir()
    if page == "README.md":
        subprocess.run(
            (str(python), "-m", "django", "startproject", "mysite", "."), cwd=directory, check=True
        )
    with Reader(directory, new_server().port, python=python) as reader:
        reader.follow(ROOT / page)
