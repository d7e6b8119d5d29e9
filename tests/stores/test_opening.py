from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from policy_middleware.model.errors import SettingsError
from policy_middleware.stores import FileStore, MemoryStore, RedisStore, open_store


def test_the_scheme_chooses_the_store(tmp_path: Path) -> None:
    assert isinstance(open_store("memory://"), MemoryStore)
    files = open_store(f"file://{tmp_path}")
    assert isinstance(files, FileStore)
    assert files.directory == tmp_path
    for url in (
        "redis://localhost:1/0",
        "rediss://u:p@localhost:1?ssl_cert_reqs=none",
        "unix:///tmp/x.sock?db=2",
    ):
        with closing(open_store(url, key_prefix="p:")) as store:
            assert isinstance(store, RedisStore)
            assert store.keys.doc("acme") == "p:doc:{acme}"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis+sentinel://a:1/x", "not built yet"),
        ("redis+cluster://a:1", "not built yet"),
        ("embedded://relative/policies", "three slashes"),
        ("postgres://u:secret@db/x", "unknown scheme"),
        ("localhost:6379", "unknown scheme"),
        ("file://relative/policies", "three slashes"),
        ("file://", "three slashes"),
        ("redis://localhost:1/0?no_such_option=1", "cannot be understood"),
        ("redis://localhost:notaport/0", "cannot be understood"),
    ],
)
def test_urls_that_cannot_be_used_are_refused_at_start_up(url: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as refused:
        open_store(url)
    assert "secret" not in str(refused.value)


def test_a_password_never_shows(caplog: pytest.LogCaptureFixture) -> None:
    with closing(open_store("redis://user:secret@localhost:1/0")) as store:
        assert "secret" not in repr(store)
