"""Attributes out of a JSON body, read before the handler and replayed to it untouched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from policy_middleware.attributes.source import Identity, MalformedAttribute, Source, SourceRequest
from policy_middleware.model.errors import DocumentError, SettingsError
from policy_middleware.model.json_reading import JSON, read_json


@dataclass(frozen=True, slots=True)
class BodySource(Source):
    """A place in the body, by JSON Pointer (RFC 6901) split at its slashes."""

    pointer: str
    steps: tuple[str, ...]
    type: type[str] | type[int] | type[float] | type[bool] | None
    gathered: ClassVar[bool] = True

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        """Refuse to be asked: the body is read by the gate, and `value_in` finds the value in it."""
        raise SettingsError(f"body({self.pointer!r}) cannot be read here: the request's body is not at hand")

    def value_in(self, document: JSON) -> object | None:
        """Return what stands at the pointer, None where nothing does; raises MalformedAttribute."""
        value: object = document
        for step in self.steps:
            if isinstance(value, Mapping):
                value = value.get(step)
            elif isinstance(value, Sequence) and not isinstance(value, str):
                value = (
                    value[int(step)]
                    if step.isdecimal() and step.isascii() and int(step) < len(value)
                    else None
                )
            else:
                return None
        if value is None:
            return None
        if self.type is not None and not _is(value, self.type):
            raise MalformedAttribute(f"the body's {self.pointer} must be of type {self.type.__name__}")
        if isinstance(value, Mapping):
            raise MalformedAttribute(f"the body's {self.pointer} must be a value or a list of values")
        return tuple(value) if isinstance(value, list) else value


def body(pointer: str, type: type[str] | type[int] | type[float] | type[bool] | None = None) -> Source:  # noqa: A002 -- the contract's name
    """Read a value of a JSON body by JSON Pointer, such as `body("/order/amount", type=int)`.

    Every request is then read up to `max_body` bytes (longer ones are refused with 413), whatever its
    Content-Type says: handlers often do not look at it either. A body that is no JSON has no such values,
    unless it claims to be JSON: then it is refused with 400, as is one with repeated keys, of which the
    policy and the handler might each see another. Raises SettingsError for a malformed pointer.
    """
    if pointer and not pointer.startswith("/"):
        raise SettingsError(f"body({pointer!r}): a JSON Pointer starts with '/', such as '/order/amount'")
    steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
    return BodySource(pointer, steps, type)


def values_in_body(
    sources: Sequence[BodySource], raw: bytes, content_type: str
) -> dict[BodySource, object | MalformedAttribute]:
    """Return what each source finds in a body; what is malformed stands as the exception to be raised."""
    if not raw.strip():
        return dict.fromkeys(sources)
    try:
        document = read_json(raw, max(len(raw), 1))
    except DocumentError as error:
        if _claims_json(content_type) or _is_json_nevertheless(raw):
            problem = MalformedAttribute(f"the body is not JSON that has one meaning: {error.problems[0]}")
            return dict.fromkeys(sources, problem)
        return dict.fromkeys(sources)
    found: dict[BodySource, object | MalformedAttribute] = {}
    for source in sources:
        try:
            found[source] = source.value_in(document)
        except MalformedAttribute as malformed:
            found[source] = malformed
    return found


def _claims_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "" or media_type.endswith(("/json", "+json"))


def _is_json_nevertheless(raw: bytes) -> bool:
    """True for what a lenient parser would take: repeated keys, or an encoding other than UTF-8."""
    return raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") or b"\x00" in raw[:4]


def _is(value: object, wanted: type) -> bool:
    if isinstance(value, list):
        return all(_is(item, wanted) for item in value)
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
