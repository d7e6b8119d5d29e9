"""Records in the formats that other tools read, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from policy_middleware.decision_log.exports import csv_rows
from policy_middleware.decision_log.exports.cloud_events import cloud_event
from policy_middleware.decision_log.exports.json_text import json_of, original_line
from policy_middleware.decision_log.exports.ocsf import ocsf_event
from policy_middleware.decision_log.exports.opa import opa_event
from policy_middleware.decision_log.reading import ReadRecord


@dataclass(frozen=True, slots=True)
class Export:
    """A format: `line` returns None for a record that it has no place for, `header` is its first line."""

    line: Callable[[ReadRecord], str | None]
    header: str | None = None


def _as_json(
    convert: Callable[[ReadRecord], Mapping[str, object] | None],
) -> Callable[[ReadRecord], str | None]:
    def line(record: ReadRecord) -> str | None:
        converted = convert(record)
        return None if converted is None else json_of(converted)

    return line


EXPORTS: Final[Mapping[str, Export]] = {
    "jsonl": Export(original_line),
    "csv": Export(csv_rows.row, csv_rows.HEADER),
    "ocsf": Export(_as_json(ocsf_event)),
    "cloudevents": Export(_as_json(cloud_event)),
    "opa": Export(_as_json(opa_event)),
}
