"""Each record's place in the log: number, link to the one before, and seal.

`verify_log` says what the parts of a line mean and is the one to check them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import socket
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Final, Protocol

from policy_middleware.decision_log.record import CHECKPOINT, Record, encoded, event_record
from policy_middleware.decision_log.verify_log import GENESIS, checkpoint_message, key_name, writer_key

CHECKPOINT_RECORDS: Final = 1000
CHECKPOINT_SECONDS: Final = 60.0
"""A signed checkpoint is written after so many records, or seconds with any."""

_RESERVED: Final = frozenset({"writer", "seq", "prev", "key", "mac"})
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")


class Signer(Protocol):
    """Signs checkpoints."""

    @property
    def public_key(self) -> bytes: ...
    def sign(self, message: bytes) -> bytes: ...


class PlacedRecord(dict[str, object]):
    """A record with its place in the log; `line` is the one encoding that all sinks share."""

    @cached_property
    def line(self) -> str:
        """The record as one line of ASCII JSON, without a line break."""
        return encoded(self)

    @property
    def writer(self) -> str:
        """The chain that the record belongs to."""
        return str(self["writer"])

    @property
    def seq(self) -> int:
        """The record's number in its chain, from 1."""
        seq = self["seq"]
        assert isinstance(seq, int)
        return seq


class Chain:
    """Numbers the records of one log of one process, and seals them where there is a key.

    Not safe to be used by several threads at once.
    """

    def __init__(self, key: bytes | None = None, signer: Signer | None = None) -> None:
        host = _NOT_IN_A_NAME.sub("-", socket.gethostname())[:200]
        self.writer: Final = f"{host}:{os.getpid()}:{secrets.token_hex(8)}"
        self._key = None if key is None else writer_key(key, self.writer)
        self._key_name = None if key is None else key_name(key)
        self._signer = signer
        self._seq, self._head = 0, GENESIS
        self._signed_seq, self._signed_at = 0, time.monotonic()

    @property
    def sealed(self) -> bool:
        """True when records are sealed."""
        return self._key is not None

    def place(self, record: Record) -> PlacedRecord:
        """Return the record with its place; what it calls by the names of our members gets an underscore."""
        if not _RESERVED.isdisjoint(record):
            record = {f"_{name}" if name in _RESERVED else name: value for name, value in record.items()}
        placed = PlacedRecord(record)
        self._seq += 1
        placed["writer"], placed["seq"] = self.writer, self._seq
        if self._key is not None:
            self._seal(placed, self._key)
        return placed

    def checkpoint_due(self, *, last: bool = False) -> bool:
        """True when it is time for a signed checkpoint: every so often, and at the end (`last`)."""
        fresh = self._seq - self._signed_seq
        if self._signer is None or not fresh:
            return False
        age = time.monotonic() - self._signed_at
        return last or fresh >= CHECKPOINT_RECORDS or age >= CHECKPOINT_SECONDS

    def checkpoint(self) -> PlacedRecord:
        """Return a record that vouches, by signature, for every record before it."""
        placed = self.place(event_record(CHECKPOINT, None, time.time(), self._signature()))
        self._signed_seq, self._signed_at = self._seq, time.monotonic()
        return placed

    def anchor(self) -> Mapping[str, object]:
        """Return the head of the chain, signed where there is a signing key: what is to be kept elsewhere."""
        return {"writer": self.writer, "seq": self._seq, "hash": self._head, **self._signature()}

    def _seal(self, placed: PlacedRecord, key: bytes) -> None:
        placed["prev"], placed["key"] = self._head, self._key_name
        body = encoded(placed)[:-1]
        mac = placed["mac"] = hmac.digest(key, body.encode(), "sha256").hex()
        placed.line = line = f'{body},"mac":"{mac}"}}'
        self._head = hashlib.sha256(line.encode()).hexdigest()

    def _signature(self) -> dict[str, object]:
        if self._signer is None:
            return {}
        message = checkpoint_message(self.writer, self._seq, self._head)
        return {
            "public_key": self._signer.public_key.hex(),
            "signature": self._signer.sign(message).hex(),
        }
