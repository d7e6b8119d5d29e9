"""Verify a sealed decision log: `python verify_log.py --key-file KEY FILE...`; one file, no dependencies.

Each line ends with its place in the chain of the process that wrote it: `writer`, `seq` (1, 2, 3, ...),
`prev` (SHA-256 of the line before), `key` (the name of the secret) and `mac` (HMAC-SHA256 by that secret
over every byte of the line before `,"mac"`). Whoever lacks the secret can neither change, add, leave out nor
reorder lines unseen. What no chain can show by itself is that its last lines are missing: that takes an
anchor, a head of the chain that was kept elsewhere. Signed checkpoints (Ed25519, RFC 8032) prove what stands
before them to somebody who holds the public key only.

Exit codes: 0 nothing found, 2 wrong usage, 7 integrity broken.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

GENESIS = "0" * 64
"""`prev` of the first record of a chain."""
MAX_LINE = 16 * 1024 * 1024
_END = re.compile(
    rb',"writer":"([A-Za-z0-9._:-]{1,400})","seq":([1-9][0-9]{0,17}),"prev":"([0-9a-f]{64})",'
    rb'"key":"([0-9a-f]{16})","mac":"([0-9a-f]{64})"\}\Z'
)
_MAC_LENGTH = len(',"mac":""}') + 64
_TOLD = 20


class NotVerifiable(ValueError):
    """A key, an anchor or a file that nothing can be verified with."""


def key_name(key: bytes) -> str:
    """Return the public name of a secret, by which a wrong one is told from a forged log."""
    return hmac.digest(key, b"policy-middleware decision log: name of this key", "sha256").hex()[:16]


def writer_key(key: bytes, writer: str) -> bytes:
    """Return the key of one chain, so that no record fits into another chain."""
    return hmac.digest(key, b"policy-middleware decision log: chain of " + writer.encode(), "sha256")


def checkpoint_message(writer: str, seq: int, head: str) -> bytes:
    """Return what a checkpoint or an anchor signs: the line with SHA-256 `head` is number `seq`."""
    return f"policy-middleware decision log checkpoint\n{writer}\n{seq}\n{head}\n".encode()


@dataclass(frozen=True)
class Finding:
    """Something that cannot be in an intact log; `count` of a kind are told as one."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass
class Verification:
    """What was found, and what holds: sentences for people, in `proved` and `unproved`."""

    records: int = 0
    findings: list[Finding] = field(default_factory=list)
    proved: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    heads: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last record of each chain: what to keep elsewhere as an anchor."""

    @property
    def intact(self) -> bool:
        """True when nothing was found."""
        return not self.findings


@dataclass
class _Run:
    """Consecutive records of one chain in one file, in order and linked."""

    place: str
    first: int
    prev: str
    last: int
    head: str
    genuine: bool
    """Whether the last record is; what follows one that was altered cannot fit it and says nothing more."""
    signed: int = 0
    """Up to here a checkpoint in it vouches, by a genuine signature."""


@dataclass
class _Chain:
    runs: list[_Run] = field(default_factory=list)
    declared: list[tuple[int, int, int]] = field(default_factory=list)
    """First and last of the records that a sink is on record for having missed; the number of that record."""
    signed: list[tuple[int, int]] = field(default_factory=list)
    """First and last of records that signatures vouch for: what is linked, without a gap, to a checkpoint."""
    closed: int = 0
    checkpoint: int = 0
    """The last of each kind."""
    key: bytes | None = None
    keyed: bool = False


class Verifier:
    """Reads logs line by line; `finish` says what they prove.

    `keys` are the secrets that records may be sealed with, `anchors` heads kept elsewhere, `public_key` that
    of the checkpoints. `partial` says that the log need not begin with the first record of each chain: older
    files were rotated away, or a capped stream has dropped them. Give several files in any order.
    Raises NotVerifiable without any key.
    """

    def __init__(
        self,
        keys: Sequence[bytes] = (),
        *,
        anchors: Iterable[Mapping[str, Any]] = (),
        public_key: bytes | None = None,
        partial: bool = False,
    ) -> None:
        if not keys and public_key is None:
            raise NotVerifiable("a log is verified with its secret key, or the public key of its checkpoints")
        self._keys = {key_name(key): key for key in keys}
        self._public_key = public_key
        self._partial = partial
        self._result = Verification()
        self._chains: dict[str, _Chain] = {}
        self._foreign: dict[tuple[str, str], int] = {}
        self._others_checkpoints = 0
        self._anchors: dict[tuple[str, int], str] = {}
        self._ended: set[tuple[str, int]] = set()
        self._met: set[tuple[str, int]] = set()
        for anchor in anchors:
            self._take_anchor(anchor)

    def read(self, lines: Iterable[bytes], name: str) -> None:
        """Read one file; a line is bytes, with or without its line break."""
        runs: dict[str, _Run] = {}
        for number, line in enumerate(lines, 1):
            self._result.records += 1
            self._read_line(line.removesuffix(b"\n"), f"{name}:{number}", runs)

    def finish(self) -> Verification:
        """Join what the files hold of each chain, and compare with the anchors."""
        result = self._result
        for (writer, name), count in self._foreign.items():
            self._find(
                writer,
                f"{count} records sealed with the key {name}, which is none of those given: "
                "the wrong key, a foreign log, or a log that somebody sealed anew",
            )
        for writer, chain in sorted(self._chains.items()):
            self._join(writer, chain)
        for (writer, seq), _ in sorted(self._anchors.items()):
            if (writer, seq) not in self._met:
                self._miss_anchor(writer, seq)
        self._conclude()
        return result

    # -- one line ----------------------------------------------------------------------------------------

    def _read_line(self, line: bytes, place: str, runs: dict[str, _Run]) -> None:
        end = _END.search(line) if len(line) <= MAX_LINE else None
        if end is None or not line.startswith(b"{"):
            what = "carries no seal" if _is_json(line) else "is no record: it was cut off or damaged"
            self._find(place, what)
            return
        writer, seq, prev = end[1].decode(), int(end[2]), end[3].decode()
        head = hashlib.sha256(line).hexdigest()
        chain = self._chains.get(writer)
        if chain is None:
            chain = self._chains[writer] = _Chain()
        genuine = self._is_genuine(chain, writer, end, line)
        if genuine is None:
            return
        run = self._link(chain, runs, _Run(place, seq, prev, seq, head, genuine), writer)
        if not genuine:
            self._find(place, f"record {seq} of {writer} was altered: its seal does not fit")
            return
        expected = self._anchors.get((writer, seq))
        if expected is not None:
            self._met.add((writer, seq))
            if not hmac.compare_digest(expected, head):
                self._find(place, f"record {seq} of {writer} is another one than the anchor names")
        if line.startswith(_SPEAKING):
            self._listen(chain, run, writer, prev, line, place)

    def _is_genuine(self, chain: _Chain, writer: str, end: re.Match[bytes], line: bytes) -> bool | None:
        """Tell whether a seal fits its line; None when no key that was given can tell."""
        if not self._keys:
            return True  # what signatures and links prove is judged at the end
        name = end[4].decode()
        key = self._keys.get(name)
        if key is None:
            self._foreign[writer, name] = self._foreign.get((writer, name), 0) + 1
            return None
        if not chain.keyed or len(self._keys) > 1:
            chain.key, chain.keyed = writer_key(key, writer), True
        assert chain.key is not None
        mac = hmac.digest(chain.key, line[:-_MAC_LENGTH], "sha256").hex()
        return hmac.compare_digest(mac, end[5].decode())

    def _link(self, chain: _Chain, runs: dict[str, _Run], new: _Run, writer: str) -> _Run:
        """Add a record to the run that it continues, or begin another and say why; return the run."""
        run = runs.get(writer)
        if run is not None and new.first == run.last + 1:
            if new.prev != run.head and run.genuine:
                self._find(new.place, f"record {new.first} of {writer} does not follow the one before it")
            run.last, run.head, run.genuine = new.last, new.head, new.genuine
            return run
        if run is not None and new.first <= run.last:
            self._find(new.place, f"record {new.first} of {writer} is out of order, or there twice")
        runs[writer] = new
        chain.runs.append(new)
        return new

    def _listen(self, chain: _Chain, run: _Run, writer: str, prev: str, line: bytes, place: str) -> None:
        """Take in what the last record of a run says about the log itself."""
        seq = run.last
        record = _json_object(line)
        if record is None:
            self._find(place, "is no record: it was cut off or damaged")
            return
        event = record.get("event")
        if event == "log_closed":
            chain.closed = max(chain.closed, seq)
        elif event == "gap":
            first, last = record.get("first_seq"), record.get("last_seq")
            if isinstance(first, int) and isinstance(last, int):
                chain.declared.append((first, last, seq))
        elif event == "checkpoint":
            chain.checkpoint = max(chain.checkpoint, seq)
            if self._public_key is None:
                self._others_checkpoints += 1
            elif self._is_signed(record, checkpoint_message(writer, seq - 1, prev)):
                run.signed = seq - 1
            else:
                self._find(place, f"checkpoint {seq} of {writer} is not signed by the key given")

    def _is_signed(self, signed: Mapping[str, Any], message: bytes) -> bool:
        try:
            signature = bytes.fromhex(signed["signature"])
        except (KeyError, TypeError, ValueError):
            return False
        return self._public_key is not None and ed25519_verifies(self._public_key, message, signature)

    # -- the whole ---------------------------------------------------------------------------------------

    def _take_anchor(self, anchor: Mapping[str, Any]) -> None:
        try:
            writer, seq, head = str(anchor["writer"]), int(anchor["seq"]), str(anchor["hash"])
        except (KeyError, TypeError, ValueError):
            raise NotVerifiable("an anchor has the members writer, seq and hash") from None
        message = checkpoint_message(writer, seq, head)
        if self._public_key is not None and "signature" in anchor and not self._is_signed(anchor, message):
            raise NotVerifiable(f"the anchor of {writer} is not signed by the key given")
        self._anchors[writer, seq] = head
        if anchor.get("closed") is True:
            self._ended.add((writer, seq))

    def _join(self, writer: str, chain: _Chain) -> None:
        chain.signed = list(_signed_spans(chain.runs))
        last, head, genuine = 0, GENESIS, True
        for number, run in enumerate(sorted(chain.runs, key=lambda run: run.first)):
            if run.first == last + 1:
                if run.prev != head and number and genuine:
                    self._find(run.place, f"record {run.first} of {writer} does not follow the one before it")
                elif run.prev != head and not number:
                    self._find(run.place, f"record 1 of {writer} is not the first of its chain")
            elif run.first > last + 1:
                self._lack(writer, chain, last + 1, run, begins=not number)
            elif number:
                self._find(
                    run.place, f"records {run.first} to {min(run.last, last)} of {writer} are there twice"
                )
            if run.last > last:
                last, head, genuine = run.last, run.head, run.genuine
        if not chain.runs:
            return
        closed = {"closed": True} if self._is_complete(chain, last) else {}
        self._result.heads[writer] = {"writer": writer, "seq": last, "hash": head, **closed}

    def _lack(self, writer: str, chain: _Chain, first: int, run: _Run, *, begins: bool) -> None:
        missing = _span(first, run.first - 1)
        if any(
            low <= first and run.first - 1 <= high and self._vouched(chain, seq)
            for low, high, seq in chain.declared
        ):
            self._result.unproved.append(
                f"{writer}: {missing} never reached this log, says a later record (a sink had failed)"
            )
        elif begins and self._partial:
            expected = self._anchors.get((writer, run.first - 1))
            if expected is not None:
                self._met.add((writer, run.first - 1))
                if not hmac.compare_digest(expected, run.prev):
                    self._find(run.place, f"record {run.first} of {writer} does not follow the anchor")
            self._result.unproved.append(f"{writer}: what {missing} said; the log begins after it")
        else:
            hint = " (older files, or --partial, if it was rotated away)" if begins else ""
            self._find(run.place, f"{missing} of {writer} missing before this line{hint}")

    def _miss_anchor(self, writer: str, seq: int) -> None:
        head = self._result.heads.get(writer)
        if head is None and self._partial:
            why = (
                "its chain ended there"
                if (writer, seq) in self._ended
                else "the whole chain is older than this log, or was taken out of it"
            )
            self._result.unproved.append(f"{writer}: the anchor at record {seq}: {why}")
        elif head is None:
            self._find(writer, f"the whole chain is missing; an anchor names its record {seq}")
        elif head["seq"] < seq:
            self._find(
                writer,
                f"the tail is cut off: the log ends at record {head['seq']}, an anchor names record {seq}",
            )
        elif self._partial and seq < min(run.first for run in self._chains[writer].runs):
            self._result.unproved.append(f"{writer}: the anchor at record {seq}, which is before this log")
        else:
            self._find(writer, f"record {seq}, which an anchor names, is not in the log")

    def _conclude(self) -> None:
        result, heads = self._result, self._result.heads
        if not heads:
            result.unproved.append("anything: there is no sealed record here")
            return
        anchored = dict(sorted(self._anchors))
        for writer, head in heads.items():
            self._conclude_chain(writer, head["seq"], anchored.get(writer, 0))
        if len(heads) > 1:
            result.unproved.append("the order of records of different writers")
        if not self._anchors:
            result.unproved.append("that no other writer's records are missing as a whole: give --anchor")
        if self._others_checkpoints:
            result.unproved.append(
                f"the signatures of {self._others_checkpoints} checkpoints: give --public-key"
            )

    def _conclude_chain(self, writer: str, last: int, anchored: int) -> None:
        chain, result = self._chains[writer], self._result
        if self._keys:
            there = [(run.first, run.last) for run in chain.runs]
            result.proved.append(f"{writer}: {_numbers(there)} as they were written")
        else:
            if chain.signed:
                result.proved.append(f"{writer}: {_numbers(chain.signed)} as they were signed")
            unsigned = list(_without(sorted((run.first, run.last) for run in chain.runs), chain.signed))
            if unsigned:
                result.unproved.append(f"{writer}: {_numbers(unsigned)}, which no signature covers")
        if self._is_complete(chain, last):
            result.proved.append(f"{writer}: complete; record {chain.closed} closes it")
        elif anchored == last:
            result.unproved.append(f"{writer}: whether records followed the anchor at {last}")
        else:
            after = f" after the anchor at {anchored}" if anchored else ""
            result.unproved.append(
                f"{writer}: its tail{after}: whether records followed number {last} (no anchor names them)"
            )

    def _vouched(self, chain: _Chain, seq: int) -> bool:
        """Tell whether a record can be believed: by its seal, or where no secret is known, by a signature."""
        return bool(self._keys) or any(first <= seq <= last for first, last in chain.signed)

    def _is_complete(self, chain: _Chain, last: int) -> bool:
        """Tell whether nothing can follow: the last record closes the chain, or signs the one that does."""
        if not chain.closed or not self._vouched(chain, chain.closed):
            return False
        return chain.closed == last or chain.closed + 1 == chain.checkpoint == last

    def _find(self, place: str, what: str) -> None:
        self._result.findings.append(Finding(place, what))


_SPEAKING = (b'{"event":"checkpoint"', b'{"event":"gap"', b'{"event":"log_closed"')


def _is_json(line: bytes) -> bool:
    return _json_object(line) is not None


def _json_object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _signed_spans(runs: Iterable[_Run]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of records that signatures vouch for.

    A signature is about one line; the links carry it back to the lines before, as far as there is no gap.
    """
    first = last = signed = 0
    head = ""
    for run in sorted(runs, key=lambda run: run.first):
        if run.first != last + 1 or run.prev != head:
            if signed >= first > 0:
                yield first, signed
            first, signed = run.first, 0
        last, head, signed = run.last, run.head, max(signed, run.signed)
    if signed >= first > 0:
        yield first, signed


def _without(
    spans: Iterable[tuple[int, int]], others: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield what of `spans` is not in `others`; both are in order."""
    for first, last in spans:
        for low, high in others:
            if first <= high and low <= last:
                if first < low:
                    yield first, low - 1
                first = high + 1
        if first <= last:
            yield first, last


def _numbers(found: Iterable[tuple[int, int]]) -> str:
    """Return numbers of records by the first and last of each stretch: `records 1 to 61 and 401 to 412`."""
    spans: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if spans and first == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    if spans[1:]:
        return "records " + " and ".join(_span(*span).partition(" ")[2] for span in spans)
    return _span(*spans[0])


def _span(first: int, last: int) -> str:
    return f"record {first}" if first == last else f"records {first} to {last}"


def verify(
    lines: Iterable[bytes],
    keys: Sequence[bytes] = (),
    *,
    anchors: Iterable[Mapping[str, Any]] = (),
    public_key: bytes | None = None,
    partial: bool = False,
    name: str = "line",
) -> Verification:
    """Verify one log; see `Verifier`."""
    verifier = Verifier(keys, anchors=anchors, public_key=public_key, partial=partial)
    verifier.read(lines, name)
    return verifier.finish()


def read_key(text: str, what: str = "the key") -> bytes:
    """Return a key written in hexadecimal; raises NotVerifiable."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        raise NotVerifiable(f"{what} must be written in hexadecimal digits") from None
    if len(key) < 16:
        raise NotVerifiable(f"{what} must have 16 bytes (32 digits) at least")
    return key


def read_anchors(text: str) -> list[Mapping[str, Any]]:
    """Return the anchors of a JSON document, `{"anchors": [...]}`; raises NotVerifiable."""
    try:
        anchors = json.loads(text)["anchors"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NotVerifiable('an anchor file is JSON: {"anchors": [{"writer", "seq", "hash"}]}') from None
    if not isinstance(anchors, list) or not all(isinstance(anchor, dict) for anchor in anchors):
        raise NotVerifiable("anchors is a list of objects")
    return anchors


def anchor_document(heads: Iterable[Mapping[str, Any]]) -> str:
    """Return heads as the JSON document that `read_anchors` reads."""
    return json.dumps({"anchors": list(heads)}, indent=2) + "\n"


def report(result: Verification) -> Iterator[str]:
    """Yield what was and what was not proved, in lines for people."""
    for finding in result.findings[:_TOLD]:
        yield f"BROKEN    {finding}"
    if len(result.findings) > _TOLD:
        yield f"BROKEN    and {len(result.findings) - _TOLD} more"
    if result.intact:
        for sentence in result.proved:
            yield f"proved    {sentence}"
    for sentence in result.unproved:
        yield f"unproved  {sentence}"
    counted = f"{result.records} line{'' if result.records == 1 else 's'}"
    yield f"{counted}: nothing found" if result.intact else f"{counted}: integrity broken"


# -- Ed25519 (RFC 8032, section 6): checking a signature needs no secret, so its time may show ---------------

_P = 2**255 - 19
_Q = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]


def ed25519_verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature (64 bytes) by the owner of a public key (32 bytes) fits a message."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    owner, commitment = _decompress(public_key), _decompress(signature[:32])
    response = int.from_bytes(signature[32:], "little")
    if owner is None or commitment is None or response >= _Q:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % _Q
    left, right = _times(response, _BASE), _plus(commitment, _times(challenge, owner))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % _P == 0


def _recover_x(y: int, sign: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P)
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


def _decompress(encoded: bytes) -> _Point | None:
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _plus(a: _Point, b: _Point) -> _Point:
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % _P, (a[1] + a[0]) * (b[1] + b[0]) % _P
    g, h = 2 * a[3] * b[3] * _D % _P, 2 * a[2] * b[2] % _P
    i, j, k, m = f - e, h - g, h + g, f + e
    return (i * j, k * m, j * k, i * m)


def _times(factor: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _plus(total, point)
        point, factor = _plus(point, point), factor >> 1
    return total


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE_X = _recover_x(_BASE_Y, 0) or 0
_BASE: _Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


# -- the command ---------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None, say: Callable[[str], object] = print) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="Verify a sealed decision log.")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="JSON Lines, in any order; - is standard input"
    )
    parser.add_argument(
        "--key-file",
        action="append",
        default=[],
        help="file with the secret in hex (or POLICY_DECISION_LOG_KEY)",
    )
    parser.add_argument("--public-key", metavar="HEX", help="public key of the checkpoints")
    parser.add_argument("--anchor", action="append", default=[], metavar="FILE", help="heads kept elsewhere")
    parser.add_argument(
        "--write-anchor", metavar="FILE", help="write the heads of this log, to keep elsewhere"
    )
    parser.add_argument("--partial", action="store_true", help="the log may begin in the middle of a chain")
    options = parser.parse_args(arguments)
    try:
        keys = [read_key(_text(path)) for path in options.key_file]
        if not keys and os.environ.get("POLICY_DECISION_LOG_KEY"):
            keys = [read_key(os.environ["POLICY_DECISION_LOG_KEY"])]
        verifier = Verifier(
            keys,
            anchors=[anchor for path in options.anchor for anchor in read_anchors(_text(path))],
            public_key=None if options.public_key is None else read_key(options.public_key, "--public-key"),
            partial=options.partial,
        )
        for path in options.files:
            if path == "-":
                verifier.read(sys.stdin.buffer, path)
            else:
                with open(path, "rb") as lines:
                    verifier.read(lines, path)
        result = verifier.finish()
        if options.write_anchor and result.intact:
            with open(options.write_anchor, "w", encoding="utf-8") as file:
                file.write(anchor_document(result.heads.values()))
    except (NotVerifiable, OSError) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    for line in report(result):
        say(line)
    return 0 if result.intact else 7


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


if __name__ == "__main__":
    sys.exit(main())
