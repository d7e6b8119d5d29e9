"""What servers send on WebSockets that are masked, each by its name, in every framework with WebSockets.

`/ws/{name}` sends the messages of SOCKETS[name], the acceptance included, and journals `sent` after each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import cbor2
import msgpack

from .harness import SECRET

_MAIL: Final = SECRET.decode()
_DOCUMENT: Final = {"user": {"mail": _MAIL, "ssn": "123-45-6789"}, "total": 1}


def _accept(**more: Any) -> dict[str, Any]:
    return {"type": "websocket.accept", **more}


def _text(text: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": text}


def _bytes(data: bytes) -> dict[str, Any]:
    return {"type": "websocket.send", "bytes": data}


def _delta(text: str, *, ends: bool = False) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop" if ends else None}
    return _text(json.dumps({"id": "c", "choices": [choice]}))


_END: Final = {"type": "websocket.close", "code": 1000}


@dataclass(frozen=True)
class Socket:
    """One conversation; `code` is the client's close code, 1011 where it has to be broken off."""

    messages: Sequence[Mapping[str, Any]]
    subprotocols: Sequence[str] = ()
    texts: Sequence[str] = ()
    """The messages that a client gets."""
    binaries: Sequence[bytes] = ()
    code: int = 1000
    entities: Mapping[str, int] = field(default_factory=dict)
    paths: Mapping[str, int] = field(default_factory=dict)


SOCKETS: Final[Mapping[str, Socket]] = {
    "clean": Socket([_accept(), _text("good morning"), _text(""), _END], texts=["good morning", ""]),
    "text": Socket(
        [_accept(), _text(f"write to {_MAIL}"), _END],
        texts=["write to <EMAIL_ADDRESS>"],
        entities={"EMAIL_ADDRESS": 1},
    ),
    "json": Socket(
        [_accept(), _text(json.dumps(_DOCUMENT)), _END],
        texts=['{"user": {"mail": "<EMAIL_ADDRESS>", "ssn": "[REDACTED]"}, "total": 1}'],
        entities={"EMAIL_ADDRESS": 1},
        paths={"**.ssn": 1},
    ),
    "json-string": Socket(
        [_accept(), _text('"bea\\u0040example.com"'), _END],
        texts=['"<EMAIL_ADDRESS>"'],
        entities={"EMAIL_ADDRESS": 1},
    ),
    "brackets": Socket([_accept(), _text("[10:32] joined"), _END], texts=["[10:32] joined"]),
    "no-json": Socket([_accept(), _text('{"ssn": "123-45-6789",}'), _text("more"), _END], code=1011),
    "json-behind-text": Socket([_accept(), _text('42["said",{"ssn":"123-45-6789"}]'), _END], code=1011),
    "two-documents": Socket([_accept(), _text('{"a": 1}\n{"ssn": "123-45-6789"}'), _END], code=1011),
    "byte-order-mark": Socket([_accept(), _text('\ufeff{"ssn": "123-45-6789"}'), _END], code=1011),
    "binary": Socket([_accept(), _text("first"), _bytes(SECRET), _END], texts=["first"], code=1011),
    "text-and-binary": Socket(
        [_accept(), {"type": "websocket.send", "text": "fine", "bytes": SECRET}, _END], code=1011
    ),
    "unknown-binary": Socket(
        [_accept(subprotocol="chat.v1"), _bytes(msgpack.packb(_DOCUMENT)), _END], ["chat.v1"], code=1011
    ),
    "msgpack": Socket(
        [_accept(subprotocol="wamp.2.msgpack"), _bytes(msgpack.packb({"ssn": "1", "m": _MAIL})), _END],
        ["wamp.2.msgpack"],
        binaries=[msgpack.packb({"ssn": "[REDACTED]", "m": "<EMAIL_ADDRESS>"})],
        entities={"EMAIL_ADDRESS": 1},
        paths={"**.ssn": 1},
    ),
    "cbor": Socket(
        [_accept(subprotocol="cbor"), _bytes(cbor2.dumps({"m": _MAIL})), _END],
        ["cbor"],
        binaries=[cbor2.dumps({"m": "<EMAIL_ADDRESS>"})],
        entities={"EMAIL_ADDRESS": 1},
    ),
    "tokens": Socket(
        [_accept(), *map(_delta, ["Ask ", "be", "a@", "exam", "ple", ".com", " now"]), _END],
        entities={"EMAIL_ADDRESS": 1},
    ),
    "two-answers": Socket(
        [_accept(), *[_delta("bea@example"), _delta(".com", ends=True)] * 2, _END],
        entities={"EMAIL_ADDRESS": 2},
    ),
    "unended-tokens": Socket(
        [_accept(), _delta("bea@example"), _delta(".com"), _END], entities={"EMAIL_ADDRESS": 1}
    ),
    "large": Socket(
        [_accept(), _text(json.dumps({"mails": [_MAIL] * 3000})), _text("after"), _END],
        texts=[json.dumps({"mails": ["<EMAIL_ADDRESS>"] * 3000}), "after"],
        entities={"EMAIL_ADDRESS": 3000},
    ),
    "too-large": Socket([_accept(), _text("x" * 300_000), _text(_MAIL), _END], code=1011),
    "reason": Socket([_accept(), {**_END, "reason": f"bye {_MAIL}"}]),
    "never-closed": Socket([_accept(), _text(f"to {_MAIL}")], texts=["to <EMAIL_ADDRESS>"]),
    "lone-surrogate": Socket([_accept(), _text(json.dumps({"a": "\ud800", "m": _MAIL})), _END]),
}
