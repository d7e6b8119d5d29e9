"""`policyctl`: write, check, publish and explain policies from a shell."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import NoReturn

from policy_middleware.model.errors import MissingExtra


def main(args: Sequence[str] | None = None, prog_name: str = "policyctl") -> NoReturn:
    """Run the command line and exit with its code; without the extra `cli`, say so in one line."""
    try:
        from policy_middleware.cli.commands import policyctl
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        sys.exit(f"{prog_name}: {MissingExtra('cli', 'the command line')}")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a letter gets its code, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    policyctl.main(args=None if args is None else list(args), prog_name=prog_name)
