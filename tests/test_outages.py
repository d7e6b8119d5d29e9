from __future__ import annotations

import logging

import pytest

from policy_middleware.model.errors import NoUsablePolicy, StoreUnavailable
from policy_middleware.outages import MOST_TENANTS, REMIND_AFTER, Outages

AWAY = StoreUnavailable("the server does not answer")
BAD = NoUsablePolicy("the only document is not valid")

REFUSED = "request refused, no usable policy for tenant 'acme': the server does not answer"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_outage_is_told_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    outages = Outages(clock)
    for tenant in ("acme", "globex", "acme"):
        outages.refused(tenant, AWAY)
    assert outages.any
    clock.now += 12
    outages.over("globex")
    outages.over("acme")
    assert not outages.any
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.ERROR,
            REFUSED + "; further ones are counted",
        ),
        (logging.WARNING, "requests of tenant 'globex' are decided again; 3 were refused in 12 s"),
    ]


def test_an_outage_that_goes_on_is_mentioned_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    outages = Outages(clock)
    for _ in range(5):
        outages.refused("acme", AWAY)
        clock.now += REMIND_AFTER / 2
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [
        "request refused",
        "still refusing requests",
        "still refusing requests",
    ]
    assert caplog.messages[-1].endswith("5 refused in 120 s")


def test_a_tenant_with_a_bad_document_has_an_outage_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages(Clock())
    outages.refused("acme", BAD)
    outages.over("globex")
    assert outages.any
    outages.refused("initech", BAD)
    assert len(caplog.records) == 2
    outages.over("acme")
    outages.over("initech")
    assert not outages.any


def test_however_many_tenants_are_named_only_so_many_are_remembered(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages(Clock())
    for number in range(MOST_TENANTS + 5):
        outages.refused(f"tenant{number}", BAD)
    assert len(caplog.records) == MOST_TENANTS
    outages.refused("acme", AWAY)
    assert len(caplog.records) == MOST_TENANTS + 1
