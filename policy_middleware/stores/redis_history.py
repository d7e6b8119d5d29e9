"""The history of a document: a Redis stream of every revision that was ever in force.

A publish appends inside its own transaction. A bare SET tells nobody, so each process that takes such a
revision into force offers it, and the script below appends it once. Nothing here trims: the history is
evidence.
"""

from __future__ import annotations

from typing import Any, Final

import redis

from policy_middleware.stores.keys import KeyLayout
from policy_middleware.stores.protocol import LOOKED_BACK, UNKNOWN_AUTHOR, VIA_SET, StoredRevision

# One entry at a time, newest first: what is looked for is nearly always the newest, and bodies can be large.
_RECORD_ONCE: Final = f"""
local newest = '+'
for _ = 1, {LOOKED_BACK} do
  local found = redis.call('XREVRANGE', KEYS[1], newest, '-', 'COUNT', 1)[1]
  if not found then break end
  for i = 1, #found[2], 2 do
    if found[2][i] == 'revision' and found[2][i + 1] == ARGV[1] then return 0 end
  end
  newest = '(' .. found[1]
end
redis.call('XADD', KEYS[1], '*', 'revision', ARGV[1], 'body', ARGV[2],
  'author', '{UNKNOWN_AUTHOR}', 'via', '{VIA_SET}')
return 1
"""


def record_once(client: redis.Redis, keys: KeyLayout, name: str, revision: str, body: bytes) -> None:
    """Append a revision unless it is among the latest entries; inside a MULTI it becomes a part of it.

    Sent as a plain EVAL: it runs a few times a day, and EVALSHA cannot fall back inside a MULTI.
    """
    client.eval(_RECORD_ONCE, 1, keys.history(name), revision, body)


def append(client: redis.Redis, keys: KeyLayout, entry: StoredRevision) -> None:
    """Append a revision that is being put in force; the server's clock stamps it."""
    fields: dict[Any, Any] = {"revision": entry.revision, "body": entry.body, "via": entry.via}
    if entry.author is not None:
        fields["author"] = entry.author
    if entry.note is not None:
        fields["note"] = entry.note
    client.xadd(keys.history(entry.name), fields)


def read(client: redis.Redis, keys: KeyLayout, name: str, limit: int | None) -> list[StoredRevision]:
    """Return the latest entries, newest first."""
    entries: Any = client.xrevrange(keys.history(name), count=limit)
    return [_entry(name, entry_id, fields) for entry_id, fields in entries]


def _entry(name: str, entry_id: bytes, fields: dict[bytes, bytes]) -> StoredRevision:
    def text(field: bytes) -> str | None:
        value = fields.get(field)
        return None if value is None else value.decode(errors="replace")

    return StoredRevision(
        name=name,
        revision=text(b"revision") or "",
        body=fields.get(b"body", b""),
        author=text(b"author"),
        note=text(b"note"),
        via=text(b"via") or "",
        published_at=int(entry_id.partition(b"-")[0]) / 1000,
    )
