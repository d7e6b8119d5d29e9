"""What operators keep out of records: values, and the plainest of decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.decision_log import DecisionLog, Redaction
from policy_middleware.decision_log.record import decision_record
from policy_middleware.decision_log.sampling import Sampling
from policy_middleware.model.decision import ObservedRule
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import SettingsError
from tests.decision_log.decisions import NOW, asked, decided

OBSERVED = ObservedRule("acme", "trial", Effect.DENY, "Soon.")


def record_of(**attributes: object) -> dict[str, object]:
    return decision_record(decided(), asked(**attributes), NOW)


def test_erased_values_are_gone_and_masked_ones_are_stars() -> None:
    record = record_of(**{"resource.iban": "DE00", "context.a/b~c": 1, "resource.tags": ("pii", "x")})
    pointers = ["/input/resource.iban", "/input/context.a~1b~0c", "/input/nothing"]
    Redaction(erase=pointers, mask=["/input/subject.id", "/input/resource.tags/0"]).apply(record)
    asked_for = record["input"]
    assert isinstance(asked_for, dict)
    assert not {"resource.iban", "context.a/b~c"} & set(asked_for)
    assert asked_for["subject.id"] == "***"
    assert asked_for["resource.tags"] == ["***", "x"]
    assert record["erased"] == pointers[:2]
    assert record["masked"] == ["/input/subject.id", "/input/resource.tags/0"]


def test_an_address_is_cut_wherever_the_record_says_it() -> None:
    record = record_of()
    Redaction(erase=["/input/environment.ip"]).apply(record)
    assert "10.0.0.9" not in str(record)


def test_a_record_without_the_value_is_left_as_it_is() -> None:
    record = record_of()
    Redaction(erase=["/input/x/y/z", "/observed/7", "/reason/0"]).apply(record)
    assert record == record_of()


@pytest.mark.parametrize(
    "pointer", ["input", "", "/", "/decision_id", "/result/effect", "/seq", "/labels/id"]
)
def test_what_proves_a_decision_cannot_be_cut(pointer: str) -> None:
    with pytest.raises(SettingsError, match="decision_log_erase"):
        Redaction(erase=[pointer])


@given(st.text(max_size=30))
def test_no_pointer_breaks_the_writing_of_a_record(text: str) -> None:
    Redaction(erase=["/input/" + text], mask=["/observed/" + text]).apply(record_of())


def test_sampling_keeps_its_share_of_plain_allows_and_always_the_same() -> None:
    sampling = Sampling(0.2)
    kept = [name for name in map(str, range(2000)) if sampling.keeps(decided(name), None)]
    assert 300 < len(kept) < 500
    assert all(sampling.keeps(decided(name), None) for name in kept)


def test_services_agree_by_the_trace() -> None:
    sampling = Sampling(0.5)
    for number in range(50):
        trace = (f"{number:032x}", "1" * 16)
        assert sampling.keeps(decided("a"), trace) == sampling.keeps(decided("b"), trace)


@pytest.mark.parametrize("effect", [Effect.DENY, Effect.MASK, Effect.REQUIRE_APPROVAL])
def test_nothing_but_an_allow_is_sampled(effect: Effect) -> None:
    assert Sampling(0.0).keeps(decided(effect=effect), None)


def test_an_allow_that_somebody_will_ask_about_is_not_sampled() -> None:
    got: list[object] = []
    log = DecisionLog([Keeper(got)], sample=0.0)
    log.append(decided("plain"), asked())
    log.append(decided("observed", observed=(OBSERVED,)), asked())
    log.append(decided("approved"), asked(), approval_id="ap-1")
    log.append(decided("refused"), asked(), refusal="x")
    assert log.write(decided("strict"), asked())
    log.close()
    assert got == ["observed", "approved", "refused", "strict"]
    assert log.status.sampled_out == 1


class Keeper:
    def __init__(self, got: list[object]) -> None:
        self.got = got

    def write(self, records: list) -> None:  # type: ignore[type-arg]  # of placed records
        self.got += [record["decision_id"] for record in records]

    def close(self) -> None:
        pass
