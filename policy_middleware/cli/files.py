"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click


def write_file(path: Path, body: bytes) -> None:
    """Write a file in place of the one that is there, keeping its permissions; a usage error names it."""
    target = path.resolve()  # a link stays a link
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            file.write(body)
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o7777)
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
