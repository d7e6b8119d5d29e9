"""One request for a page, as far as pages look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qs

FORM_TYPE = "application/x-www-form-urlencoded"
_MOST_FIELDS = 20


@dataclass(frozen=True)
class PageRequest:
    """What a browser asks: `path` is below the inbox, beginning with a slash or empty.

    `base` is where the inbox is, as browsers write it (percent-encoded, without a slash at its end).
    `headers` holds every value of the few headers that pages read, by lower-case name.
    """

    method: str
    path: str
    base: str
    query: str = ""
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return a header's only value; None when it is missing or sent more than once."""
        values = self.headers.get(name, ())
        return values[0] if len(values) == 1 else None

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The first value of every parameter in the query."""
        return _first_values(self.query)

    @cached_property
    def form(self) -> Mapping[str, str]:
        """The first value of every field of the form that was sent; nothing for any other body."""
        media_type = (self.header("content-type") or "").partition(";")[0].strip().lower()
        return _first_values(self.body.decode("latin-1")) if media_type == FORM_TYPE else {}


READ_HEADERS = ("sec-fetch-site", "origin", "host", "content-type", "if-none-match")
"""Everything that `PageRequest.headers` is asked for."""


def _first_values(encoded: str) -> dict[str, str]:
    try:
        fields = parse_qs(encoded, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
