"""Sealed logs to tamper with."""

from __future__ import annotations

from policy_middleware.decision_log import DecisionLog
from policy_middleware.decision_log.chain import PlacedRecord, Signer
from tests.decision_log.decisions import asked, decided

KEY = b"k" * 32
OTHER_KEY = b"o" * 32


class Lines:
    """A sink that keeps the encoded lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, records: list[PlacedRecord]) -> None:
        self.lines += [record.line.encode() + b"\n" for record in records]

    def close(self) -> None:
        pass


def sealed(
    count: int, key: bytes | None = KEY, *, signer: Signer | None = None, closed: bool = True
) -> list[bytes]:
    """Return the lines of a log of `count` decisions, and one that says that it is complete."""
    sink = Lines()
    log = DecisionLog([sink], key=key, signer=signer)
    for number in range(count):
        log.append(decided(f"d-{number}"), asked())
    log.close()
    return sink.lines if closed else sink.lines[:-1]


def interleaved(*logs: list[bytes]) -> list[bytes]:
    """Return logs of the same length as one file that several processes have written."""
    return [line for group in zip(*logs, strict=True) for line in group]
