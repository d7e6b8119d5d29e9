"""What commands read: files, standard input, JSON on the command line. Never more than is accepted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from policy_middleware.model.documents import parse_document
from policy_middleware.model.errors import DocumentError, Problem
from policy_middleware.model.json_reading import JSON, read_json
from policy_middleware.model.policy import PolicyDocument
from policy_middleware.model.vocabulary import is_document_name
from policy_middleware.settings import EnforcerSettings

STANDARD_INPUT: Final = "-"
MAX_CONTEXT_BYTES: Final = 1024 * 1024
_STDIN_LABEL: Final = "standard input"


@dataclass(frozen=True, slots=True)
class Input:
    """What was read, at most `limit` bytes of it; `cut` says that there are more."""

    label: str
    body: bytes
    limit: int
    cut: bool = False

    @property
    def document_name(self) -> str | None:
        """The document that a file is named after; None for standard input and other names."""
        name = Path(self.label).stem
        return name if self.label != _STDIN_LABEL and is_document_name(name) else None

    def parsed(self, name: str) -> PolicyDocument:
        """Return the policy document that was read, or raise DocumentError."""
        self.check_length(name)
        return parse_document(self.body, name=name, max_bytes=self.limit)

    def check_length(self, name: str) -> None:
        """Raise DocumentError for what is longer than the limit."""
        if self.cut:
            raise DocumentError(
                [Problem("$", f"is longer than the {self.limit} bytes that are accepted")], name
            )


def read_document(path: str) -> Input:
    """Read a policy document from a file, or from standard input for `-`; a usage error names the file."""
    return _read(path, EnforcerSettings.load({}).max_document_bytes)


def read_documents(paths: Iterable[str]) -> Iterator[Input]:
    """Read documents; a directory stands for the `.json` files in it."""
    for path in paths:
        if path != STANDARD_INPUT and os.path.isdir(path):
            files = sorted(str(file) for file in Path(path).glob("*.json"))
            if not files:
                raise click.UsageError(f"{path!r}: the directory holds no .json file")
            yield from map(read_document, files)
        else:
            yield read_document(path)


def read_context(source: str) -> dict[str, JSON]:
    """Read a JSON object: `source` is a file, `-`, or the object itself; anything else is a usage error."""
    if source.lstrip().startswith("{"):
        read = Input("the context", source.encode(errors="surrogateescape"), MAX_CONTEXT_BYTES)
    else:
        read = _read(source, MAX_CONTEXT_BYTES)
    try:
        read.check_length(read.label)
        data = read_json(read.body, MAX_CONTEXT_BYTES)
    except DocumentError as error:
        problems = "; ".join(map(str, error.problems))
        raise click.UsageError(f"{read.label}: {problems}") from None
    if not isinstance(data, dict):
        raise click.UsageError(
            f'{read.label} is no JSON object such as {{"role": "viewer", "action": "document.read"}}'
        )
    return data


def read_bytes(path: str, limit: int) -> bytes:
    """Read a file, or standard input for `-`; a usage error for one that is longer than `limit` bytes."""
    read = _read(path, limit)
    if read.cut:
        raise click.UsageError(f"{read.label} is longer than {limit} bytes")
    return read.body


def _read(path: str, limit: int) -> Input:
    label = _STDIN_LABEL if path == STANDARD_INPUT else os.fsencode(path).decode(errors="replace")
    try:
        if path == STANDARD_INPUT:
            body = sys.stdin.buffer.read(limit + 1)
        else:
            with open(path, "rb") as file:
                body = file.read(limit + 1)
    except OSError as error:
        raise click.UsageError(f"{label} cannot be read: {error.strerror}") from None
    return Input(label, body[:limit], limit, cut=len(body) > limit)
