"""A strict log: over HTTP nothing runs whose record is not written, in every framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from policy_middleware.enforcer import PolicyEnforcer

from .conftest import Build
from .harness import Call
from .policies import ALLOW_ALL, DENY_ALL, IDENTITY

MASK_ALL: dict[str, object] = {
    "schema": 1,
    "default": "deny",
    "rules": [
        {
            "id": "masked",
            "when": {},
            "effect": "mask",
            "reason": "Masked.",
            "mask": {"fields": {"**.email": "redact"}},
        }
    ],
}
CALL = Call(target="/docs/7", headers=IDENTITY)


class Sink:
    """Takes records, or does not."""

    def __init__(self) -> None:
        self.broken = False
        self.records: list[Mapping[str, object]] = []

    def __call__(self, record: Mapping[str, object]) -> None:
        if self.broken:
            raise OSError("No space left on device")
        self.records.append(record)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def enforcer(sink: Sink) -> Iterator[PolicyEnforcer]:
    with PolicyEnforcer.from_url("memory://", decision_log=sink, decision_log_strict=True) as enforcer:
        yield enforcer


@pytest.mark.parametrize("document", [ALLOW_ALL, MASK_ALL], ids=["allow", "mask"])
def test_what_runs_is_on_record_before_it_answers(
    build: Build, sink: Sink, document: dict[str, object]
) -> None:
    service = build(document)
    answer = service.call(CALL)
    assert answer.status == 200
    assert answer.header("x-policy-decision-id") in [record["decision_id"] for record in sink.records]


def test_nothing_runs_whose_record_cannot_be_written(build: Build, sink: Sink) -> None:
    service = build(ALLOW_ALL)
    sink.broken = True
    answer = service.call(CALL)
    assert answer.status == 503
    assert answer.json()["type"].endswith(":log-unavailable")
    assert answer.header("retry-after") is not None
    assert service.journal in ([], [f"received {len(answer.body)}"])


def test_what_is_denied_is_denied_all_the_same(build: Build) -> None:
    assert build(DENY_ALL).call(CALL).status == 403
