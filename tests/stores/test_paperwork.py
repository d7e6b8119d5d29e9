from __future__ import annotations

from collections.abc import Mapping

import pytest

from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores import MemoryStore, ProcessReport
from policy_middleware.stores.held import HeldDocument, Rejection
from policy_middleware.stores.paperwork import MOST_PENDING, Paperwork, process_id


class RefusingStore(MemoryStore):
    """Lets itself be read and refuses whatever is written back."""

    def __init__(self) -> None:
        super().__init__()
        self.refusing = True
        self.attempts = 0

    def record(self, name: str, body: bytes) -> None:
        self.attempts += 1
        if self.refusing:
            raise StoreUnavailable("not permitted")
        super().record(name, body)

    def report(self, process: str, reports: Mapping[str, ProcessReport | None]) -> None:
        if self.refusing:
            raise StoreUnavailable("not permitted")
        super().report(process, reports)


REJECTED = HeldDocument("acme", None, Rejection("a" * 64, "$.rules", "is wrong"))


def test_what_was_collected_is_written_once() -> None:
    store = MemoryStore()
    paperwork = Paperwork(store)
    paperwork.took_effect("acme", "r1", b"body")
    paperwork.tell(REJECTED)
    paperwork.carry_out()
    paperwork.carry_out()
    assert [entry.body for entry in store.history("acme")] == [b"body"]
    [report] = store.reports("acme")
    assert (report.process, report.rejected_revision) == (process_id(), "a" * 64)
    assert report.rejected_because == "$.rules: is wrong"


def test_what_fails_once_is_tried_again_soon() -> None:
    store = RefusingStore()
    paperwork = Paperwork(store)
    paperwork.took_effect("acme", "r1", b"body")
    assert paperwork.carry_out() <= 1.0
    store.refusing = False
    assert paperwork.carry_out() > 60.0
    assert len(store.history("acme")) == 1


def test_what_fails_again_and_again_is_dropped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    store = RefusingStore()
    paperwork = Paperwork(store)
    for number in range(6):
        paperwork.took_effect("acme", f"r{number}", b"body")
        paperwork.carry_out()
    attempts = store.attempts
    assert paperwork.carry_out() > 60.0
    assert store.attempts == attempts
    assert caplog.text.count("are not written") == 1


def test_nothing_is_told_of_documents_that_never_were_there() -> None:
    store = MemoryStore()
    paperwork = Paperwork(store)
    paperwork.tell(HeldDocument("random", missing=True))
    paperwork.carry_out()
    assert store.reports("random") == []


def test_a_document_that_is_gone_is_told_of_once_it_was_told_of() -> None:
    store = MemoryStore()
    paperwork = Paperwork(store)
    paperwork.tell(REJECTED)
    paperwork.tell(HeldDocument("acme", missing=True))
    paperwork.carry_out()
    [report] = store.reports("acme")
    assert (report.revision, report.rejected_because) == (None, None)


def test_what_waits_to_be_recorded_is_bounded() -> None:
    paperwork = Paperwork(RefusingStore())
    for number in range(MOST_PENDING + 10):
        paperwork.took_effect("acme", str(number), b"")
    assert len(paperwork._revisions) == MOST_PENDING


def test_a_process_withdraws_what_it_told_even_if_the_store_refuses() -> None:
    store = RefusingStore()
    store.refusing = False
    paperwork = Paperwork(store)
    paperwork.tell(REJECTED)
    paperwork.carry_out()
    store.refusing = True
    paperwork.withdraw()
    assert len(store.reports("acme")) == 1
    store.refusing = False
    paperwork.withdraw()
    assert store.reports("acme") == []
