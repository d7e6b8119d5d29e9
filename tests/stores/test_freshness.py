from __future__ import annotations

import math

from policy_middleware.stores.freshness import Freshness


def test_nothing_may_be_used_before_the_first_sign_of_life() -> None:
    freshness = Freshness(30.0, 2.5)
    assert freshness.usable_until == -math.inf
    assert freshness.listener == "starting"


def test_a_sign_of_life_allows_use_for_max_stale_seconds() -> None:
    freshness = Freshness(30.0, 2.5)
    freshness.heard(100.0)
    freshness.renew(None)
    assert freshness.usable_until == 130.0
    assert freshness.listener == "synced"


def test_a_short_max_stale_does_not_flap_between_two_heartbeats() -> None:
    freshness = Freshness(0.0, 2.5)
    freshness.heard(100.0)
    freshness.renew(None)
    assert freshness.usable_until == 102.5


def test_once_the_listener_is_lost_only_max_stale_counts() -> None:
    freshness = Freshness(1.0, 2.5)
    freshness.heard(100.0)
    freshness.lost("gone")
    freshness.renew(None)
    assert freshness.usable_until == 101.0
    assert freshness.listener == "lost: gone"


def test_a_doubt_that_nobody_settles_ends_the_lease_however_lively_the_listener_is() -> None:
    freshness = Freshness(30.0, 2.5)
    freshness.heard(500.0)
    freshness.renew(100.0)
    assert freshness.usable_until == 130.0


def test_a_store_that_cannot_be_lost_is_usable_for_good_until_something_is_in_doubt() -> None:
    freshness = Freshness(30.0, None)
    freshness.heard(1.0)
    freshness.renew(None)
    assert freshness.usable_until == math.inf
    freshness.renew(5.0)
    assert freshness.usable_until == 35.0
