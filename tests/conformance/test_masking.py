"""A masked response holds no original value, or does not leave."""

from __future__ import annotations

import json

import pytest

from policy_middleware.model.errors import MaskError

from .conftest import Build, Records
from .harness import LARGE, SECRET, Call, document
from .policies import IDENTITY, TENANT, masking


def test_named_fields_are_masked_and_nothing_else_changes(build: Build) -> None:
    service = build(masking())
    answer = service.call(Call(target="/docs/7", headers=IDENTITY))
    assert answer.status == 200
    assert SECRET not in answer.body
    assert b"123-45-6789" not in answer.body
    assert b'"total": 12.50' in answer.body
    original, masked = json.loads(document("7")), answer.json()
    assert masked["id"] == original["id"]
    assert masked["owner"]["name"] == original["owner"]["name"]
    assert service.journal[0] == "read 7"


def test_a_masked_response_cannot_be_revalidated_or_shared(build: Build) -> None:
    answer = build(masking()).call(Call(target="/docs/7", headers=IDENTITY))
    assert answer.header("etag") is None
    assert answer.header("last-modified") is None
    assert answer.header("accept-ranges") is None
    assert answer.header("cache-control") == "private, no-store"
    assert answer.header("content-length") == str(len(answer.body))
    assert answer.header("x-policy-masked") == "2"
    assert answer.header("x-policy-decision-id") is not None


@pytest.mark.parametrize(
    "header",
    [
        ("If-None-Match", '"v1"'),
        ("Range", "bytes=0-9"),
        ("Accept-Encoding", "gzip"),
        ("Accept-Encoding", "*"),
    ],
)
def test_the_handler_is_not_asked_for_what_could_not_be_masked(build: Build, header: tuple[str, str]) -> None:
    answer = build(masking()).call(Call(target="/docs/7", headers=(*IDENTITY, header)))
    assert answer.status == 200
    assert answer.header("content-encoding") is None
    assert answer.json()["id"] == "7"
    assert SECRET not in answer.body


def test_a_masked_head_has_no_length_of_the_original(build: Build) -> None:
    answer = build(masking()).call(Call("HEAD", "/docs/7", headers=IDENTITY))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("content-length") != str(len(document("7")))
    assert answer.header("etag") is None


@pytest.mark.parametrize("path", ["/picture", "/file", "/plain/ann", "/stream"])
def test_what_cannot_be_masked_does_not_leave(build: Build, records: Records, path: str) -> None:
    answer = build(masking()).call(Call(target=path, headers=IDENTITY))
    assert answer.status == 502
    assert answer.header("content-type") == "application/problem+json"
    assert SECRET not in answer.body
    assert answer.json()["decision_id"] == answer.header("x-policy-decision-id")
    assert len(records.decisions()) == 1


def test_fields_of_events_are_masked_while_they_arrive(build: Build, records: Records) -> None:
    answer = build(masking()).call(Call(target="/events", headers=IDENTITY))
    assert answer.status == 200
    assert answer.body == b'data: {"email": "[REDACTED]"}\n\n'
    assert answer.header("x-policy-masked") == "stream"
    assert answer.header("content-length") is None
    (event,) = records.events("masked")
    assert (event["count"], event["streamed"], event["tenant"]) == (1, True, TENANT)
    assert event["paths"] == {"email": 1}
    assert "complete" not in event


def test_a_body_beyond_the_limit_does_not_leave(build: Build) -> None:
    answer = build(masking(), max_masked_body=1000).call(Call(target="/large", headers=IDENTITY))
    assert answer.status == 502
    assert b"xxxx" not in answer.body


def test_a_large_body_is_masked_too(build: Build) -> None:
    answer = build(masking()).call(Call(target="/large", headers=IDENTITY))
    assert answer.status == 200
    assert SECRET not in answer.body
    assert answer.json()["padding"] == json.loads(LARGE)["padding"]


def test_masking_leaves_other_requests_alone(build: Build) -> None:
    service = build(masking({"role": "nobody"}))
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).body == document("7")


def test_background_work_of_a_refused_response_still_runs(build: Build) -> None:
    service = build(masking())
    assert service.call(Call(target="/background", headers=IDENTITY)).status == 502
    assert "background" in service.journal


def test_the_exception_of_a_masked_handler_leaves_no_original_byte(build: Build) -> None:
    answer = build(masking()).call(Call(target="/raise", headers=IDENTITY))
    assert answer.status in (None, 500, 502)
    assert SECRET not in answer.body


def test_a_mask_that_cannot_be_made_ready_keeps_the_handler_from_running(
    build: Build, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise MaskError("mask_key failed for tenant 'acme': OSError")

    monkeypatch.setattr("policy_middleware.answers.ResponseMask", refused)
    service = build(masking())
    answer = service.call(Call(target="/docs/7", headers=IDENTITY))
    assert answer.status == 502
    assert answer.json()["type"].endswith("mask-failed")
    assert "mask_key" not in answer.body.decode()
    assert not any(entry.startswith("read") for entry in service.journal)
    (event,) = records.events("mask_failed")
    assert "mask_key failed" in event["error"]


def test_the_record_of_a_masked_response_names_the_rules_paths_and_no_value(
    build: Build, records: Records
) -> None:
    answer = build(masking()).call(Call(target="/docs/7", headers=IDENTITY))
    assert answer.status == 200
    (event,) = records.events("masked")
    assert set(event["paths"]) == {"email", "**.ssn"}
    assert event["count"] == sum(event["paths"].values())
    assert SECRET.decode() not in str(event)
