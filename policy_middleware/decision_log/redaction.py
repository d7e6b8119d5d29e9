"""What operators cut from records: JSON Pointers to erase, or to mask (OPA's `erased` and `masked`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence
from typing import Final

from policy_middleware.model.errors import SettingsError

_Path = tuple[str, ...]

MASKED_VALUE: Final = "***"
_CUTTABLE: Final = ("input", "requested_by", "reason", "observed", "trace_id", "span_id")
"""What may be cut; the rest says what was decided, and proves it."""
_COPIES: Final[Mapping[_Path, _Path]] = {("input", "environment.ip"): ("requested_by",)}
"""Where a record says the same thing again."""


class Redaction:
    """Cuts values out of records and notes in `erased` and `masked` which of the pointers found one.

    Pointers are those of RFC 6901; `input` has dotted names as its members: `/input/subject.id`. Raises
    SettingsError for a pointer that is none, or that points at what a record cannot do without.
    """

    def __init__(self, erase: Iterable[str] = (), mask: Iterable[str] = ()) -> None:
        self._erase = [(pointer, _path("decision_log_erase", pointer)) for pointer in erase]
        self._mask = [(pointer, _path("decision_log_mask", pointer)) for pointer in mask]

    def __bool__(self) -> bool:
        return bool(self._erase or self._mask)

    def apply(self, record: MutableMapping[str, object]) -> None:
        """Cut a record in place."""
        erased = [pointer for pointer, path in self._erase if _everywhere(record, path, erase=True)]
        masked = [pointer for pointer, path in self._mask if _everywhere(record, path, erase=False)]
        if erased:
            record["erased"] = erased
        if masked:
            record["masked"] = masked


def _path(setting: str, pointer: str) -> _Path:
    if not pointer.startswith("/"):
        raise SettingsError(f"{setting}: {pointer!r} is no JSON Pointer such as /input/subject.id")
    path = tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))
    if path[0] not in _CUTTABLE:
        raise SettingsError(
            f"{setting}: {pointer!r} cannot be cut; only what is below /{', /'.join(_CUTTABLE)} can"
        )
    return path


def _everywhere(record: MutableMapping[str, object], path: _Path, *, erase: bool) -> bool:
    copy = _COPIES.get(path)
    if copy is not None:
        _cut(record, copy, erase=erase)
    return _cut(record, path, erase=erase)


def _cut(record: object, path: _Path, *, erase: bool) -> bool:
    """Cut the value at a path; False when there is none."""
    for part in path[:-1]:
        record = _member(record, part)
    last = path[-1]
    if _member(record, last) is _NOTHING:
        return False
    if isinstance(record, MutableMapping):
        if erase:
            del record[last]
        else:
            record[last] = MASKED_VALUE
    elif isinstance(record, MutableSequence):
        if erase:
            del record[int(last)]
        else:
            record[int(last)] = MASKED_VALUE
    return True


_NOTHING: Final = object()


def _member(value: object, name: str) -> object:
    if isinstance(value, MutableMapping):
        return value.get(name, _NOTHING)
    if isinstance(value, MutableSequence) and name.isascii() and name.isdecimal():
        return value[int(name)] if len(name) < 10 and int(name) < len(value) else _NOTHING
    return _NOTHING
