"""What each process made of a document: a hash, so `redis-cli HGETALL` answers "did it take?"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import redis

from policy_middleware.stores.keys import KeyLayout
from policy_middleware.stores.protocol import ProcessReport

_FORGOTTEN_AFTER: Final = 9000
"""Seconds after which a process that did not repeat its report (it does so hourly) counts as gone."""

# A killed process leaves its field behind; whoever writes next sweeps it away by the server's clock.
_REPORT: Final = f"""
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local ok, report = pcall(cjson.decode, fields[i + 1])
  if not ok or type(report) ~= 'table' or (tonumber(report['at']) or 0) < now - {_FORGOTTEN_AFTER} then
    redis.call('HDEL', KEYS[1], fields[i])
  end
end
redis.call('EXPIRE', KEYS[1], {_FORGOTTEN_AFTER})
"""


def write(
    client: redis.Redis, keys: KeyLayout, process: str, reports: Mapping[str, ProcessReport | None]
) -> None:
    """Write or withdraw this process's reports in one round trip."""
    pipeline = client.pipeline(transaction=False)
    for name, report in reports.items():
        if report is None:
            pipeline.hdel(keys.status(name), process)
        else:
            pipeline.eval(_REPORT, 1, keys.status(name), process, _encode(report))
    pipeline.execute()


def read(client: redis.Redis, keys: KeyLayout, name: str) -> list[ProcessReport]:
    """Return the reports of all processes about one document, sorted by process."""
    fields: Any = client.hgetall(keys.status(name))
    return sorted(
        (_decode(process.decode(errors="replace"), value) for process, value in fields.items()),
        key=lambda report: report.process,
    )


def _encode(report: ProcessReport) -> str:
    fields = {
        "revision": report.revision,
        "rejected": report.rejected_revision,
        "because": report.rejected_because,
        "at": round(report.at, 3),
    }
    return json.dumps({key: value for key, value in fields.items() if value is not None})


def _decode(process: str, value: bytes) -> ProcessReport:
    try:
        fields = json.loads(value)
        return ProcessReport(
            process,
            fields.get("revision"),
            fields.get("rejected"),
            fields.get("because"),
            float(fields["at"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return ProcessReport(process, None, None, "wrote a report that cannot be read", 0.0)
