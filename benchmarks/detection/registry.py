"""Distributions of a package registry, opened without being installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

SOURCE: Final = ("--no-binary", ":all:")
WHEEL: Final = ("--only-binary", ":all:", "--python-version", "3.12")
"""Of a Python that the wheel is for; no code of it is run, so this one does not matter."""


def download(requirement: str, directory: Path, form: tuple[str, ...]) -> Path:
    """Download one distribution into a directory of its own and return the archive."""
    place = directory / requirement
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", *form, "-d", str(place), requirement],
        check=True,
    )
    (archive,) = place.iterdir()
    return archive
