from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator, Mapping

import pytest
from standardwebhooks import Webhook as Receiver

from policy_middleware.approvals import ApprovalEvent, ApprovalEventKind, MemoryApprovals
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import SettingsError
from policy_middleware.notices import Webhook, message_of, webhook
from policy_middleware.notices.sending import Attempt, post
from tests.approvals.parking import park
from tests.waiting import eventually

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
URL = "https://hooks.example/approvals"


class Post:
    """Stands in for the network: answers in turn, and remembers what was sent."""

    def __init__(self, *answers: Attempt) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, Mapping[str, str]]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, url: str, body: str, headers: Mapping[str, str]) -> Attempt:
        self.go_on.wait(10)
        self.sent.append((body, headers))
        return self.answers.pop(0) if self.answers else Attempt(204)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSES", (0.0, 0.0, 0.0))


def event(kind: ApprovalEventKind = ApprovalEventKind.REQUESTED) -> ApprovalEvent:
    task = park(MemoryApprovals())
    return ApprovalEvent(kind, "acme", task, task.created_at, "alice", "why not")


def test_a_notice_carries_a_signature_that_any_receiver_verifies() -> None:
    sending = Post()
    hook = Webhook(URL, SECRET, post=sending)
    hook(event())
    assert hook.flush()
    ((body, headers),) = sending.sent
    verified = Receiver(SECRET).verify(body, dict(headers))
    assert verified["type"] == "approval.requested"
    assert verified["data"]["requester"] == "alice"
    assert headers["webhook-id"].startswith("msg_")
    hook.close()


def test_a_notice_names_the_request_and_does_not_carry_it() -> None:
    happened = event()
    data = message_of(happened)["data"]
    assert isinstance(data, dict)
    assert {
        "id",
        "tenant",
        "status",
        "requester",
        "action",
        "reason",
        "approvals",
        "expires_at",
    } <= data.keys()
    assert "a=1" not in json.dumps(data)
    assert "/exports" not in json.dumps(data)


def test_a_notice_is_tried_again_under_the_same_id(caplog: pytest.LogCaptureFixture) -> None:
    sending = Post(Attempt(503, "status 503"), Attempt(None, "TimeoutError: "), Attempt(200))
    hook = Webhook(URL, SECRET, post=sending)
    hook(event())
    assert hook.flush()
    assert len(sending.sent) == 3
    assert len({headers["webhook-id"] for _, headers in sending.sent}) == 1
    assert "will be tried again: status 503" in caplog.text
    hook.close()


def test_a_notice_that_never_arrives_is_given_up_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    sending = Post(*[Attempt(500, "status 500")] * 9)
    hook = Webhook(URL + "?token=hidden", SECRET, post=sending)
    hook(event())
    assert hook.flush()
    assert len(sending.sent) == 4
    assert "is given up: status 500" in caplog.text
    assert "hidden" not in caplog.text
    hook.close()


def test_a_receiver_that_is_gone_is_sent_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    sending = Post(Attempt(410, "status 410"))
    hook = Webhook(URL, SECRET, post=sending)
    for _ in range(3):
        hook(event())
        assert hook.flush()
    assert len(sending.sent) == 1
    assert "answers 410" in caplog.text
    hook.close()


def test_a_slow_receiver_holds_nobody_up_and_fills_no_memory(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "CAPACITY", 3)
    sending = Post()
    sending.go_on.clear()
    hook = Webhook(URL, SECRET, post=sending)
    hook(event())
    eventually(lambda: hook._busy)
    for _ in range(5):
        hook(event())
    assert caplog.text.count("is lost") == 2
    sending.go_on.set()
    assert hook.flush()
    assert len(sending.sent) == 4
    hook.close()


def test_closing_tries_once_more_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSES", (3600.0,))
    sending = Post(Attempt(503, "status 503"))
    hook = Webhook(URL, SECRET, post=sending)
    hook(event())
    eventually(lambda: len(sending.sent) == 1)
    hook.close()
    assert len(sending.sent) == 2


@pytest.mark.parametrize(
    ("url", "secret", "sentence"),
    [
        ("ftp://hooks.example", SECRET, "is no http"),
        ("hooks.example", SECRET, "is no http"),
        (URL, "whsec_c2hvcnQ=", "at least 24 random bytes"),
        (URL, "0123456789abcdef0123456789abcdef", "whsec_"),
        (URL, "whsec_!!!", "whsec_"),
    ],
)
def test_settings_that_cannot_work_are_told_at_once(url: str, secret: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as told:
        Webhook(url, secret)
    assert secret not in str(told.value)


def test_notices_over_plain_http_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    Webhook("http://hooks.internal/x", SECRET)
    assert "sent unencrypted" in caplog.text


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.bodies.append(self.rfile.read(length))  # type: ignore[attr-defined]
        status = {"/ok": 204, "/moved": 302, "/busy": 429}[self.path]
        self.send_response(status)
        self.send_header("Location", "/ok")
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[http.server.HTTPServer]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.bodies = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_receiver_is_posted_to_and_never_followed_elsewhere(receiver: http.server.HTTPServer) -> None:
    base = f"http://127.0.0.1:{receiver.server_port}"
    assert post(base + "/ok", "{}", {}) == Attempt(204)
    assert post(base + "/moved", "{}", {}).status == 302
    assert post(base + "/busy", "{}", {}) == Attempt(429, "status 429", 7.0)
    assert receiver.bodies == [b"{}"] * 3  # type: ignore[attr-defined]


def test_a_receiver_that_is_not_there_is_a_failed_attempt() -> None:
    attempt = post("http://127.0.0.1:9/", "{}", {})
    assert attempt.status is None
    assert not attempt.delivered


def test_settings_make_the_enforcer_send_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Post()
    monkeypatch.setattr(Webhook.__init__, "__kwdefaults__", {"post": sending})
    with PolicyEnforcer.from_url(
        "memory://", decision_log=lambda _: None, approval_webhook=URL, approval_webhook_secret=SECRET
    ) as enforcer:
        park(enforcer.approvals)
        eventually(lambda: len(sending.sent) == 1)
    assert json.loads(sending.sent[0][0])["type"] == "approval.requested"


@pytest.mark.parametrize(
    "settings", [{"approval_webhook": URL}, {"approval_webhook_secret": SECRET}], ids=["url", "secret"]
)
def test_half_a_webhook_does_not_start(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="is needed as well"):
        PolicyEnforcer.from_url("memory://", decision_log=lambda _: None, **settings)
