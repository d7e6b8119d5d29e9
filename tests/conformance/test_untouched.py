"""An allowed request and its response are left alone, but for the decision's id."""

from __future__ import annotations

import pytest

from .conftest import Build
from .harness import FILE, LAST_MODIFIED, STREAM_PARTS, Adapter, Boom, Call, document
from .policies import ALLOW_ALL, IDENTITY

PATHS = ["/docs/7", "/plain/ann", "/stream", "/events", "/picture", "/large", "/file", "/background"]
VOLATILE = {"date"}


def comparable(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in headers if pair[0] not in {*VOLATILE, "x-policy-decision-id"}]


@pytest.mark.parametrize("path", PATHS)
def test_an_allowed_response_is_the_exempt_one_byte_for_byte(build: Build, path: str) -> None:
    exempt = build(ALLOW_ALL, exempt=[path]).call(Call(target=path, headers=IDENTITY))
    allowed = build(ALLOW_ALL).call(Call(target=path, headers=IDENTITY))
    assert exempt.header("x-policy-decision-id") is None
    assert allowed.header("x-policy-decision-id") is not None
    assert (allowed.status, comparable(allowed.headers)) == (exempt.status, comparable(exempt.headers))
    assert allowed.parts == exempt.parts


def test_conditional_requests_reach_an_allowed_handler(build: Build) -> None:
    answer = build(ALLOW_ALL).call(Call(target="/docs/7", headers=(*IDENTITY, ("If-None-Match", '"v1"'))))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.header("etag") == '"v1"'
    assert answer.header("x-policy-decision-id") is not None


def test_ranges_reach_an_allowed_handler(build: Build) -> None:
    answer = build(ALLOW_ALL).call(Call(target="/docs/7", headers=(*IDENTITY, ("Range", "bytes=0-9"))))
    assert (answer.status, answer.body) == (206, document("7")[:10])
    assert answer.header("last-modified") == LAST_MODIFIED


def test_encodings_reach_an_allowed_handler(build: Build) -> None:
    answer = build(ALLOW_ALL).call(Call(target="/docs/7", headers=(*IDENTITY, ("Accept-Encoding", "gzip"))))
    assert answer.header("content-encoding") == "gzip"


def test_a_stream_arrives_while_it_is_made(build: Build) -> None:
    service = build(ALLOW_ALL)
    answer = service.call(Call(target="/stream", headers=IDENTITY))
    assert answer.parts == list(STREAM_PARTS)
    assert service.journal == [
        entry
        for index, part in enumerate(STREAM_PARTS)
        for entry in (f"yield {index}", f"received {len(part)}")
    ]


def test_a_file_arrives_whole(build: Build) -> None:
    assert build(ALLOW_ALL).call(Call(target="/file", headers=IDENTITY)).body == FILE.read_bytes()


def test_background_work_runs_after_the_response(build: Build) -> None:
    service = build(ALLOW_ALL)
    assert service.call(Call(target="/background", headers=IDENTITY)).body == b"later"
    assert service.journal[-1] == "background"
    assert service.journal.count("background") == 1


def test_the_exception_of_a_handler_is_the_servers_affair(build: Build, adapter: Adapter) -> None:
    service = build(ALLOW_ALL)
    answer = service.call(Call(target="/raise", headers=IDENTITY))
    assert "raise" in service.journal
    if adapter.expects.raises:
        assert isinstance(answer.error, Boom)
    else:
        assert answer.status == 500


@pytest.mark.parametrize("parts", [(b"",), (b"hello",), (b"he", b"", b"llo"), (b"x" * 70_000, b"y")])
def test_a_request_body_reaches_the_handler_in_full(build: Build, parts: tuple[bytes, ...]) -> None:
    answer = build(ALLOW_ALL).call(Call("POST", "/docs", headers=IDENTITY, body=parts))
    assert (answer.status, answer.body) == (201, b"".join(parts))


def test_one_service_answers_many_requests_alike(build: Build) -> None:
    service = build(ALLOW_ALL)
    answers = [service.call(Call(target="/docs/7", headers=IDENTITY)) for _ in range(3)]
    assert len({answer.header("x-policy-decision-id") for answer in answers}) == 3
    assert {tuple(comparable(answer.headers)) for answer in answers} == {
        tuple(comparable(answers[0].headers))
    }
