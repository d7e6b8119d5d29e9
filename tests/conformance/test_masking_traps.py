"""The fail-closed table: no response, however it is made, lets a value through that has to be masked."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence

import pytest

from .conftest import Build, Records, adapters
from .harness import SECRET, Adapter, Answer, Call
from .policies import IDENTITY, only
from .traps import BROKEN, ENDLESS, HALVES, TRAPS, Trap

SEARCHING = only("mask", {}, default="allow", mask={"entities": {"EMAIL_ADDRESS": "replace"}})

EXTENSIONS: dict[str, object] = {
    f"http.response.{name}": {}
    for name in ("debug", "early_hint", "pathsend", "push", "trailers", "zerocopysend")
}
"""What servers may offer."""

CLIENTS = {
    "plain": (),
    "compressing": (("Accept-Encoding", "gzip, br"),),
    "partial": (("Range", "bytes=0-20"), ("If-Range", '"v1"')),
    "conditional": (("If-None-Match", '"v1"'), ("If-Modified-Since", "Sun, 01 Mar 2026 00:00:00 GMT")),
    "demanding": (
        ("TE", "trailers, deflate"),
        ("A-IM", "vcdiff"),
        ("Prefer", "respond-async, wait=1"),
        ("X-HTTP-Method-Override", "HEAD"),
        ("Connection", "Upgrade"),
        ("Upgrade", "h2c"),
    ),
}


def everywhere(traps: Mapping[str, Trap], only_on: str | None = None) -> pytest.MarkDecorator:
    """Spring each trap on every framework that can answer so."""
    return pytest.mark.parametrize(
        ("adapter", "name"),
        [
            pytest.param(adapter, name, id=f"{adapter.name}-{name}")
            for adapter in adapters()
            if only_on in (None, adapter.name)
            for name, trap in traps.items()
            if trap.way is None or trap.way in adapter.expects.ways
        ],
        indirect=["adapter"],
    )


def everything(answer: Answer) -> bytes:
    """Return all that a client sees, and what was on the wire beside it."""
    headers = "\n".join([answer.reason, *(f"{name}: {value}" for name, value in answer.headers)])
    return headers.encode("latin-1") + b"\n" + answer.body + str(answer.messages).encode()


def assert_no_leak(answer: Answer) -> None:
    seen = everything(answer)
    for spelling in (
        SECRET,
        *HALVES,
        b"bea%40",
        b"bea%2540",
        b"bea\\100",
        b"bea\\u0040",
        b"bea&#64;",
        SECRET.decode().encode("utf-16-le"),
    ):
        assert spelling not in seen


@everywhere(TRAPS)
def test_a_trap_is_masked_or_refused_whatever_a_client_asks_for(
    build: Build, records: Records, name: str
) -> None:
    service = build(SEARCHING)
    for client, headers in CLIENTS.items():
        call = Call(target=f"/trap/{name}", headers=(*IDENTITY, *headers), extensions=EXTENSIONS)
        answer = service.call(call)
        try:
            assert_masked_or_refused(answer, TRAPS[name], records.taken())
        except AssertionError as failure:
            failure.add_note(f"the client was the one called {client!r}")
            raise


def assert_masked_or_refused(answer: Answer, trap: Trap, recorded: Sequence[Mapping[str, object]]) -> None:
    """The answer to a trap shows no value, keeps what it may, and left one event in the log."""
    assert_no_leak(answer)
    assert {message["type"] for message in answer.messages} <= {"http.response.start", "http.response.body"}
    events = [record for record in recorded if record["event"] in ("masked", "mask_failed")]
    if not trap.leaves:
        assert answer.status == 502
        assert answer.json()["type"].endswith("mask-failed")
        assert answer.header("content-type") == "application/problem+json"
        assert [event["event"] for event in events] == ["mask_failed"]
        return
    assert answer.error is None
    assert answer.status == trap.status
    assert trap.has in answer.body
    for header in (*trap.lacks, "content-encoding", "etag"):
        assert answer.header(header) is None
    assert answer.header("cache-control") == "private, no-store"
    (event,) = events
    assert (event["event"], event["tenant"]) == ("masked", "acme")
    assert SECRET.decode() not in str(event)


@everywhere(TRAPS)
def test_a_head_of_a_trap_says_nothing(build: Build, name: str) -> None:
    answer = build(SEARCHING).call(Call("HEAD", f"/trap/{name}", headers=IDENTITY, extensions=EXTENSIONS))
    assert_no_leak(answer)
    assert answer.body == b""


@everywhere(BROKEN)
def test_a_stream_that_cannot_be_masked_to_its_end_is_broken_off(
    build: Build, records: Records, name: str
) -> None:
    answer = build(SEARCHING).call(Call(target=f"/trap/{name}", headers=IDENTITY))
    gc.collect()
    assert_no_leak(answer)
    assert answer.status == 200
    assert answer.error is not None
    assert not any(
        message["type"] == "http.response.body" and not message.get("more_body", False)
        for message in answer.messages
    )
    assert records.events("masked") == []
    (event,) = records.events("mask_failed")
    assert event["streamed"] is True
    assert SECRET.decode() not in str(event)


@everywhere(ENDLESS)
def test_what_was_masked_for_a_client_that_left_is_recorded_once(
    build: Build, records: Records, name: str
) -> None:
    service = build(SEARCHING)
    answer = service.call(Call(target=f"/trap/{name}", headers=IDENTITY, leaves_after=3))
    gc.collect()
    assert len(answer.parts) == 3
    assert_no_leak(answer)
    assert records.events("mask_failed") == []
    (event,) = records.events("masked")
    assert (event["streamed"], event["complete"], event["tenant"]) == (True, False, "acme")
    assert event["count"] == event["entities"]["EMAIL_ADDRESS"] > 0
    assert SECRET.decode() not in str(event)


@everywhere({**TRAPS, **BROKEN}, "wsgi")
def test_what_a_wsgi_application_returned_is_closed_once(build: Build, name: str) -> None:
    if name == "raises-at-once":
        pytest.skip("it has returned nothing")
    service = build(SEARCHING)
    service.call(Call(target=f"/trap/{name}", headers=IDENTITY))
    assert service.journal.count("closed") == 1


def test_a_stream_leaves_while_it_is_made(build: Build) -> None:
    service = build(SEARCHING)
    answer = service.call(Call(target="/stream", headers=IDENTITY))
    assert answer.body == b"one\ntwo\nthree\n"
    assert answer.header("x-policy-masked") == "stream"
    entries = service.journal
    first_received = next(number for number, entry in enumerate(entries) if entry.startswith("received"))
    assert first_received < entries.index("yield 2")


def test_the_size_of_what_is_held_is_bounded(build: Build) -> None:
    answer = build(SEARCHING, max_masked_body=1000).call(Call(target="/large", headers=IDENTITY))
    assert answer.status == 502
    assert_no_leak(answer)


def test_a_file_is_masked_however_it_is_sent(build: Build, adapter: Adapter) -> None:
    extensions = {"http.response.pathsend": {}, "http.response.zerocopysend": {}}
    answer = build(SEARCHING).call(Call(target="/file", headers=IDENTITY, extensions=extensions))
    # Source code has no type that can be masked, and no server is asked to send it by itself.
    assert answer.status == 502
    assert all(message["type"].startswith("http.response.") for message in answer.messages)
    assert {message["type"] for message in answer.messages} <= {"http.response.start", "http.response.body"}
