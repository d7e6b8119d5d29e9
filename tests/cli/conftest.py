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
