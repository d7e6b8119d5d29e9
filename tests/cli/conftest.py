from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import Shell
from tests.conftest import RedisPlace


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Commands without any store."""
    return Shell(tmp_path)


@pytest.fixture
def redis_shell(tmp_path: Path, clean_redis: RedisPlace) -> Shell:
    """Commands over a clean place on a real server."""
    environment = {"POLICY_STORE_URL": clean_redis.url, "POLICY_KEY_PREFIX": clean_redis.key_prefix}
    return Shell(tmp_path, environment)


@pytest.fixture(params=["redis", "file"])
def store_shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    """Commands over an empty store of either kind, in a directory beside it."""
    work = tmp_path / "work"
    work.mkdir()
    if request.param == "file":
        (tmp_path / "store").mkdir()
        return Shell(work, {"POLICY_STORE_URL": f"file://{tmp_path / 'store'}"})
    place: RedisPlace = request.getfixturevalue("clean_redis")
    return Shell(work, {"POLICY_STORE_URL": place.url, "POLICY_KEY_PREFIX": place.key_prefix})
