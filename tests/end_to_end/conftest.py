"""An empty environment with the wheel of this checkout, made once."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

import pytest

from scripts.check_wheel import build_wheel
from tests.docs.page import ROOT

from .newcomer import installations

IDENTITY = ROOT / "docs" / "identity.md"


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds what docs/identity.md tells to install, and nothing of this checkout."""
    directory = tmp_path_factory.mktemp("environment")
    wheel = build_wheel(directory)
    venv.create(directory / "venv", with_pip=True)
    subprocess.run(
        (
            directory / "venv" / "bin" / "python", "-m", "pip", "install",
            "--quiet", "--disable-pip-version-check", *installations(IDENTITY, wheel),
        ),
        cwd=directory,
        check=True,
        timeout=600,
    )  # fmt: skip
    return directory / "venv"
