"""Waking who waits, without a thread for each of them."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from policy_middleware.approvals import ApprovalHub, Watch

pytestmark = pytest.mark.anyio


async def test_news_that_came_before_the_wait_are_not_lost() -> None:
    hub = ApprovalHub()
    with hub.watch("acme", "one") as watch:
        hub.tell("acme", "one")
        assert await watch.changed(0)
        assert not await watch.changed(0)


async def test_news_from_another_thread_wake_at_once() -> None:
    hub = ApprovalHub()
    with hub.watch("acme", "one") as watch:
        teller = threading.Timer(0.01, hub.tell, ("acme", "one"))
        teller.start()
        assert await watch.changed(30)
        teller.join()


@pytest.mark.parametrize(
    ("told", "one", "tenant_wide", "elsewhere"),
    [
        (("acme", "one"), True, True, False),
        (("acme", "two"), False, True, False),
        (("acme", None), True, True, False),
        (("globex", "one"), False, False, True),
        ((None, None), True, True, True),
    ],
)
async def test_only_whom_it_concerns_is_woken(
    told: tuple[str | None, str | None], one: bool, tenant_wide: bool, elsewhere: bool
) -> None:
    hub = ApprovalHub()
    with hub.watch("acme", "one") as first, hub.watch("acme") as second, hub.watch("globex") as third:
        assert (hub.waiting, hub.pages) == (3, 2)
        hub.tell(*told)
        found = [await watch.changed(0) for watch in (first, second, third)]
    assert found == [one, tenant_wide, elsewhere]
    assert (hub.waiting, hub.pages) == (0, 0)


async def test_a_watch_that_is_dropped_is_forgotten() -> None:
    hub = ApprovalHub()
    watch: Watch | None = hub.watch("acme", "one").open()
    assert hub.waiting == 1
    del watch
    gc.collect()
    assert hub.waiting == 0
    hub.tell("acme", "one")


async def test_closing_wakes_everybody() -> None:
    hub = ApprovalHub()
    with hub.watch("acme") as watch:
        hub.close()
        assert await watch.changed(0)


async def test_who_is_cancelled_while_waiting_hears_again_later(anyio_backend_name: str) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("the same by trio's own cancel scope")
    hub = ApprovalHub()
    with hub.watch("acme") as watch:
        waiting = asyncio.ensure_future(watch.changed(30))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        hub.tell("acme")
        assert await watch.changed(0)


def test_a_thread_may_wait_as_well() -> None:
    hub = ApprovalHub()
    with hub.watch("acme") as watch:
        assert not watch.wait(0)
        hub.tell("acme")
        assert watch.wait(0)


def test_an_event_loop_that_has_ended_harms_nobody() -> None:
    hub = ApprovalHub()
    left, stays = hub.watch("acme").open(), hub.watch("acme").open()

    async def main() -> None:
        waiting = asyncio.ensure_future(left.changed(30))
        await asyncio.sleep(0)
        left._wake, kept = None, left._wake
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        left._wake = kept

    asyncio.run(main())
    hub.tell("acme")
    assert stays.wait(0)
