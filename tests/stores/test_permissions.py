"""The users that docs/redis.md recommends can do their work, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from policy_middleware.approvals import open_approvals
from policy_middleware.counters import open_counters
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.evaluation.counting import Entry, Question
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores import RedisStore, Snapshots, publish_document, roll_back
from tests.approvals.parking import BEA, park, use
from tests.servers import Server
from tests.stores.documents import allowing, answer, denying, revision_of
from tests.waiting import eventually

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"


@pytest.fixture
def server(new_server: Callable[..., Server]) -> Server:
    """A server with the users of the page."""
    server = new_server()
    blocks = re.findall(r"^```acl\nACL SETUSER (.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    with server.client() as admin:
        for block in blocks:
            admin.execute_command(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
                "ACL", "SETUSER", *_for_version(admin, block.split())
            )
    return server


def _for_version(admin: redis.Redis, rules: list[str]) -> list[str]:
    """Do what the page says about older and newer servers."""
    info: Any = admin.info("server")
    if info["redis_version"].startswith("6."):
        return [rule.replace("%R~", "~") for rule in rules]
    newer = info["redis_version"] != "7.0.15" and not info["redis_version"].startswith("7.0.")
    return [*rules, "+client|setinfo"] if newer else rules


def url(server: Server, user: str) -> str:
    return f"redis://policy-{user}:{user}-password@127.0.0.1:{server.port}/0"


def denials(server: Server) -> list[str]:
    with server.client() as admin:
        log: Any = admin.acl_log()
    greeting = ("client|setinfo", "client")  # the second is what Redis 6.2 calls it
    return [entry["object"] for entry in log if entry["object"] not in greeting]


def test_the_author_can_publish_roll_back_and_look_around(server: Server) -> None:
    with closing(RedisStore(url(server, "author"))) as store:
        first = publish_document(store, "acme", allowing(), author="dana")
        publish_document(store, "acme", denying(), expected_revision=first.revision)
        roll_back(store, "acme", first.revision)
        store.mark()
        assert len(store.history("acme")) == 3
        assert store.names() == ["acme"]
        assert store.reports("acme") == []
        assert list(store.warnings()) == []
    assert denials(server) == []


def test_the_app_can_follow_policies_report_and_park_requests(server: Server) -> None:
    with server.client() as admin:
        admin.set("policy:doc:{acme}", allowing())
    store = RedisStore(url(server, "app"))
    with closing(Snapshots(store)) as snapshots:
        assert answer(snapshots.load("acme")) == "allow"
        eventually(lambda: snapshots.current("acme"))
        with server.client() as admin:
            admin.set("policy:doc:{acme}", denying())
        assert snapshots.wait_until_in_force("acme", revision_of(denying()), 5)
        eventually(lambda: len(store.history("acme")) == 2)
        eventually(lambda: store.reports("acme")[0].revision == revision_of(denying()))
        queue = open_approvals(store)
        task = park(queue)
        queue.approve("acme", task.id, BEA)
        assert use(queue, task).outcome == "ok"
        park(queue, body="another")
        assert queue.list("acme").tasks
        counters, entry = open_counters(store), Entry("a", 60.0, 1)
        for entry_id in ("1", "2"):
            counters.write("acme", entry_id, [entry])
        assert counters.read("acme", [Question("a", 60.0)]) == [1]
        counters.withdraw("acme", "2", [entry])
    assert denials(server) == []


PARKING = {
    "schema": 1,
    "default": "deny",
    "rules": [
        {
            "id": "few",
            "when": {"action": "read"},
            "effect": "allow",
            "reason": "A few.",
            "limit": {"per": ["subject.id"], "within": "1h", "max": 5},
        },
    ],
}


def test_an_enforcer_of_the_app_does_all_its_work(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with closing(RedisStore(url(server, "author"))) as store:
        publish_document(store, "acme", PARKING)
    context = {"tenant": "acme", "subject.id": "alice", "action": "read"}
    with PolicyEnforcer.from_url(url(server, "app"), decision_log="redis") as enforcer:
        assert enforcer.decide(context).allowed
        task = park(enforcer.approvals)
        with enforcer.approval_hub.watch("acme", task.id):
            eventually(lambda: listens_for_approvals(server))
            enforcer.approvals.approve("acme", task.id, BEA)
        assert use(enforcer.approvals, task).outcome == "ok"
        assert enforcer.approvals.claim("acme", "alice", "key", "digest") is None
        assert enforcer.approvals.open_of("acme", "alice") == ()
        assert enforcer.decision_log.flush()
        eventually(lambda: enforcer.snapshots.store.reports("acme"))
    with server.client() as admin:
        assert admin.xlen("policy:decisions") >= 4
    assert denials(server) == []
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def listens_for_approvals(server: Server) -> bool:
    with server.client() as admin:
        return bool(admin.pubsub_numpat())


def test_who_approves_can_decide_and_is_recorded_and_can_do_nothing_else(server: Server) -> None:
    with closing(RedisStore(url(server, "author"))) as store:
        publish_document(store, "acme", allowing())
    with closing(RedisStore(url(server, "app"))) as store:
        first, second = (park(open_approvals(store), body=body) for body in ("one", "two"))
    with PolicyEnforcer.from_url(url(server, "approver"), decision_log="redis") as enforcer:
        queue = enforcer.approvals
        assert len(queue.list("acme").tasks) == 2
        queue.approve("acme", first.id, BEA)
        queue.deny("acme", second.id, BEA, "Not now.")
        assert enforcer.decision_log.flush()
    with server.client() as admin:
        assert admin.xlen("policy:decisions") == 3
    assert denials(server) == []
    with redis.Redis.from_url(url(server, "approver"), protocol=2) as client:
        for key in ("policy:doc:{acme}", "policy:count:{acme}:x", "policy:history:{acme}"):
            with pytest.raises(redis.ResponseError):
                client.set(key, "x")


def test_who_only_looks_sees_documents_history_status_and_records(server: Server) -> None:
    with closing(RedisStore(url(server, "author"))) as store:
        publish_document(store, "acme", allowing(), author="dana")
    with PolicyEnforcer.from_url(url(server, "app"), decision_log="redis") as enforcer:
        enforcer.decide({"tenant": "acme", "action": "document.read"})
        eventually(lambda: enforcer.snapshots.store.reports("acme"))
        with closing(RedisStore(url(server, "reader"))) as store:
            assert store.names() == ["acme"]
            assert store.read(["acme"]).marked
            assert len(store.history("acme")) == 1
            assert len(store.reports("acme")) == 1
            enforcer.decision_log.flush()
            entries: Any = store.client.xrange(store.keys.decisions())
            assert len(entries) == 1
            assert list(store.warnings()) == []
    assert denials(server) == []
    with redis.Redis.from_url(url(server, "reader"), protocol=2) as client:
        for command in (
            ("SET", "policy:doc:{acme}", "x"),
            ("DEL", "policy:decisions"),
            ("EVAL", "return 1", "0"),
        ):
            with pytest.raises(redis.ResponseError):
                client.execute_command(*command)


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "policy:doc:{acme}", "x"),
        ("DEL", "policy:doc:{acme}"),
        ("EXPIRE", "policy:doc:{acme}", "1"),
        ("EVAL", "return redis.call('SET', KEYS[1], 'x')", "1", "policy:doc:{acme}"),
        ("SET", "policy:meta", "x"),
        ("GET", "somebody:else"),
        ("DEL", "policy:history:{acme}x", "somebody:else"),
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("CONFIG", "GET", "*"),
        ("XTRIM", "policy:history:{acme}", "MAXLEN", "0"),
        ("ACL", "LIST"),
        ("SUBSCRIBE", "other"),
        ("PSUBSCRIBE", "*"),
        ("PUBLISH", "other", "x"),
    ],
    ids=" ".join,
)
def test_the_app_can_change_no_document_and_reach_nothing_else(
    command: tuple[str, ...], server: Server
) -> None:
    with server.client() as admin:
        version: Any = admin.info("server")
    if version["redis_version"].startswith("6.") and re.search("policy:(doc|meta)", " ".join(command)):
        pytest.skip("Redis 6.2 knows no read-only keys, as docs/redis.md says")
    with (
        redis.Redis.from_url(url(server, "app"), protocol=2) as client,
        pytest.raises(redis.ResponseError, match=r"(?i)no permission|NOPERM|can't access|cannot access"),
    ):
        client.execute_command(*command)


def test_the_author_cannot_touch_what_is_not_about_documents(server: Server) -> None:
    with redis.Redis.from_url(url(server, "author"), protocol=2) as client:
        for key in ("policy:approval:{acme}:open", "policy:count:{acme}:x", "somebody:else"):
            with pytest.raises(redis.ResponseError):
                client.set(key, "x")
        with pytest.raises(redis.ResponseError):
            client.flushall()


def test_an_app_that_may_not_write_history_and_status_still_follows_policies(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with server.client() as admin:
        admin.set("policy:doc:{acme}", allowing())
        admin.acl_setuser(
            "reader",
            enabled=True,
            passwords=["+pw"],
            reset_channels=True,
            keys=["policy:doc:*", "policy:meta"],
            channels=["__redis__:invalidate"],
            commands=["+@connection", "+mget", "+subscribe", "+unsubscribe"],
        )
        with closing(Snapshots(RedisStore(f"redis://reader:pw@127.0.0.1:{server.port}/0"))) as snapshots:
            snapshots.load("acme")
            eventually(lambda: "history and status are not written" in caplog.text, timeout=10)
            admin.set("policy:doc:{acme}", denying())
            eventually(lambda: answer(snapshots.current("acme")) == "deny")


def test_a_user_without_access_is_told_which_page_helps(server: Server) -> None:
    with server.client() as admin:
        admin.acl_setuser("nobody", enabled=True, passwords=["+pw"], commands=["+@connection"])
    with (
        closing(RedisStore(f"redis://nobody:pw@127.0.0.1:{server.port}/0")) as store,
        pytest.raises(StoreUnavailable, match=r"docs/redis\.md"),
    ):
        store.read(["acme"])
