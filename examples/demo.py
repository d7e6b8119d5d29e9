"""Watch the main job run: three real apps, a real server, every effect (`make demo`, `make serve`)."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import redis

from examples import services
from examples.services import ROOT, Answer, Person, Service
from examples.transcript import Transcript
from tests.servers import Server
from tests.waiting import eventually

POLICIES: Final = ROOT / "examples" / "policies"
MAX_STALE: Final = 4
"""Seconds the services decide from memory without a store; 30 by default, but nobody watches that long."""
STEADY: Final = 8
"""Equal answers in a row after which every worker of a service has surely been asked."""

ANA: Final = Person("ana", "analyst", "acme")
SAM: Final = Person("sam", "support", "acme")
FAY: Final = Person("fay", "finance", "acme")
MIA: Final = Person("mia", "manager", "globex")

CUSTOMER: Final = ("GET", "/customers/c1")
ASSISTANT: Final = ("POST", "/assistant/answer")
STREAM: Final = ("POST", "/assistant/stream")
EXPORT: Final = ("POST", "/reports/export?rows=5000")
REFUND: Final = ("POST", "/customers/c1/refunds")
AMOUNT: Final = {"amount": 640}
QUESTION: Final = {"question": "What does Ada owe us?"}


def walk(service: Service, transcript: Transcript, store: redis.Redis) -> None:
    """Take one service through allow, deny, mask, approval and hot reload."""
    transcript.chapter(service.title)
    transcript.step("allow", service, ANA, *CUSTOMER, status=200)
    transcript.step("deny: another tenant, other rules", service, MIA, *ASSISTANT, QUESTION, status=403)
    masked = hides("ada@example.com")
    transcript.step("mask", service, SAM, *ASSISTANT, QUESTION, status=200, holds=masked)
    streamed = reads("Ada Byron <<EMAIL_ADDRESS>> has a balance of 120.50 EUR. ")
    title = "mask: an address spread over six events of a language model"
    answer = transcript.step(title, service, SAM, *STREAM, QUESTION, status=200, holds=streamed)
    transcript.say(f"the client reads: {put_together(answer)}")
    approve_and_replay(service, transcript)
    wait_for_two(service, transcript)
    lock_out(service, transcript)
    reload(service, transcript, store)


def approve_and_replay(service: Service, transcript: Transcript) -> None:
    """Park a request, have it approved by somebody who may, and replay it once."""
    parked = transcript.step("require approval", service, ANA, *EXPORT, status=202)
    approval_id = parked.headers.get("x-approval-id", "none")
    approval = {"X-Approval-Id": approval_id}
    decide = ("approvals", "approve", approval_id, "--tenant", "acme", "--as", "bea", "--role", "dpo")
    transcript.say(f"policyctl {' '.join(decide)}")
    policyctl(service.environment["POLICY_STORE_URL"], *decide, "-m", "checked")
    other = ("POST", "/reports/export?rows=9000")
    transcript.step("approved, but for another request", service, ANA, *other, headers=approval, status=422)
    transcript.step("replay", service, ANA, *EXPORT, headers=approval, status=200)
    transcript.step("replay, a second time", service, ANA, *EXPORT, headers=approval, status=409)


def wait_for_two(service: Service, transcript: Transcript) -> None:
    """Have a client wait while one person approves in the inbox and another one on the command line."""
    parked = transcript.step("two people have to approve", service, SAM, *REFUND, AMOUNT, status=202)
    approval_id = parked.headers.get("x-approval-id", "none")
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(wait_and_replay, service, parked)
        page = f"/_policy/inbox/requests/acme/{approval_id}"
        transcript.say(f"fay of finance opens {service.url}{page} and presses Approve")
        sent = service.send_form(FAY, f"{page}/approve", {"comment": "The parcel came back."})
        transcript.expect("approved once, in the inbox", sent == 303, f"{sent}")
        decide = (
            "approvals",
            "approve",
            approval_id,
            "--tenant",
            "acme",
            "--as",
            "finn",
            "--role",
            "finance",
        )
        transcript.say(f"policyctl {' '.join(decide)}")
        policyctl(service.environment["POLICY_STORE_URL"], *decide)
        answer = waiting.result(60)
    transcript.expect(
        "the waiting client has its answer", answer.status == 201, f"{answer.status} {answer.body}"
    )


def wait_and_replay(service: Service, parked: Answer) -> Answer:
    """Look at the status until somebody has decided, then send the request once more with its approval."""
    status = parked.headers["location"]

    def decided() -> bool:
        found = service.ask(SAM, "GET", status).body
        return isinstance(found, dict) and found["task"]["status"] != "pending"

    eventually(decided, timeout=60)
    return service.ask(SAM, *REFUND, AMOUNT, {"X-Approval-Id": parked.headers["x-approval-id"]})


def lock_out(service: Service, transcript: Transcript) -> None:
    """Have somebody refused three times: the fourth attempt is stopped, though it would be allowed."""
    eve = Person(f"eve-{service.port}", "contractor", "acme")  # counters are shared by all three services
    transcript.step("a contractor may look at a customer", service, eve, *CUSTOMER, status=200)
    for attempt in ("first", "second", "third"):
        transcript.step(f"but not export, {attempt} attempt", service, eve, *EXPORT, status=403)
    transcript.step("locked out", service, eve, *CUSTOMER, status=403, holds=says("Locked out"))


def reload(service: Service, transcript: Transcript, store: redis.Redis) -> None:
    """Change the rules, break them and put them back, by nothing but SET."""
    original = (POLICIES / "acme.json").read_bytes()
    document = json.loads(original)
    document["rules"] = [rule for rule in document["rules"] if rule["id"] != "analysts-work"]

    transcript.say("redis SET policy:doc:{acme}, without the rule that lets analysts work")
    store.set("policy:doc:{acme}", json.dumps(document))
    settle(service, ANA, *CUSTOMER, status=403)
    transcript.step("hot reload", service, ANA, *CUSTOMER, status=403)

    transcript.say("redis SET policy:doc:{acme}, cut off in the middle")
    store.set("policy:doc:{acme}", original[:200])
    transcript.step("an invalid document never takes effect", service, ANA, *CUSTOMER, status=403)

    transcript.say("redis SET policy:doc:{acme}, as it was")
    store.set("policy:doc:{acme}", original)
    settle(service, ANA, *CUSTOMER, status=200)


def incident(asked: list[Service], transcript: Transcript, store: redis.Redis) -> None:
    """Switch the assistant off for every tenant and every service, and on again."""
    transcript.chapter("An incident: one key for every tenant and every service")
    document = json.loads((POLICIES / "_incident.json").read_text())
    document["rules"][0]["valid_until"] = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    transcript.say("redis SET policy:doc:{_incident}")
    store.set("policy:doc:{_incident}", json.dumps(document))
    for service in asked:
        settle(service, ANA, *ASSISTANT, QUESTION, status=403)
        transcript.step(f"off in {service.title}", service, ANA, *ASSISTANT, QUESTION, status=403)
    transcript.say("redis DEL policy:doc:{_incident}")
    store.delete("policy:doc:{_incident}")
    for service in asked:
        settle(service, ANA, *ASSISTANT, QUESTION, status=200)
        transcript.step(f"on again in {service.title}", service, ANA, *ASSISTANT, QUESTION, status=200)


def outage(asked: list[Service], transcript: Transcript, server: Server) -> None:
    """Stop the store and start it again."""
    transcript.chapter("An outage: the store is stopped, and started again")
    server.stop()
    transcript.say(f"stopped: for max_stale = {MAX_STALE} s, decisions go on from memory")
    for service in asked:
        transcript.step(f"from memory in {service.title}", service, ANA, *CUSTOMER, status=200)
    for service in asked:
        settle(service, ANA, *CUSTOMER, status=503)
        closed = has("retry-after")
        transcript.step(f"closed in {service.title}", service, ANA, *CUSTOMER, status=503, holds=closed)
    server.start()
    transcript.say("started again")
    for service in asked:
        settle(service, ANA, *CUSTOMER, status=200)
        transcript.step(f"back in {service.title}", service, ANA, *CUSTOMER, status=200)


def evidence(transcript: Transcript, store_url: str, copy: Path) -> None:
    """Tell the whole story from the decision log, prove it, and find one flipped byte in a copy of it."""
    transcript.chapter("The evidence: what the decision log says of all this, once the services have stopped")
    transcript.say("policyctl log stats")
    print(textwrap.indent(ask_policyctl(store_url, "log", "stats").stdout, "   "))
    told = json.loads(ask_policyctl(store_url, "log", "stats", "-o", "json").stdout)
    kinds = {"allow", "mask", "require_approval", "deny"}
    complete = (
        kinds <= told["effects"].keys() and told["approvals"].get("approved", 0) >= 6 and not told["lost"]
    )
    decided = f"{told['decisions']} decisions by {told['writers']} writers, none lost"
    transcript.expect("the log knows every effect and every approval", complete, decided)

    proof = ask_policyctl(store_url, "log", "verify")
    transcript.say("policyctl log verify")
    transcript.expect("the log is proved", proof.returncode == 0, last_line(proof))

    data = bytearray(ask_policyctl(store_url, "log", "export").stdout.encode())
    copy.write_bytes(data)
    intact = ask_policyctl(store_url, "log", "verify", str(copy))
    transcript.say("policyctl log export > decisions.jsonl, and policyctl log verify decisions.jsonl")
    transcript.expect("a copy in a file is proved as well", intact.returncode == 0, last_line(intact))
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)
    broken = ask_policyctl(store_url, "log", "verify", str(copy))
    transcript.say("one bit of the copy is flipped, and policyctl log verify decisions.jsonl")
    found = next(iter(broken.stdout.splitlines()), "nothing").replace(f"{copy.parent}/", "")
    transcript.expect(
        "one flipped byte is found", broken.returncode == 7, f"exit {broken.returncode}: {found}"
    )


def last_line(said: subprocess.CompletedProcess[str]) -> str:
    """Return the verdict of a command: the last line that it printed."""
    return (said.stdout or said.stderr).strip().rpartition("\n")[2]


def settle(
    service: Service, person: Person, method: str, path: str, body: object = None, *, status: int
) -> None:
    """Ask until every worker answers with `status`; the step that follows shows it when they never do."""

    def settled() -> bool:
        return all(service.ask(person, method, path, body).status == status for _ in range(STEADY))

    with suppress(AssertionError):
        eventually(settled, timeout=MAX_STALE + 15)


def reads(text: str) -> Callable[[Answer], bool]:
    """Make an expectation: a streamed answer was masked while it was made, and its pieces are `text`."""
    return lambda answer: put_together(answer) == text and answer.headers.get("x-policy-masked") == "stream"


def put_together(answer: Answer) -> str:
    """Return the text of a streamed answer, as a client shows it."""
    events = str(answer.body).split("\n\n")
    chunks = [json.loads(event[6:]) for event in events if event.startswith("data: {")]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


def hides(secret: str) -> Callable[[Answer], bool]:
    """Make an expectation: the body lacks `secret`, and the response says that it was masked."""
    return lambda answer: secret not in json.dumps(answer.body) and "x-policy-masked" in answer.headers


def says(words: str) -> Callable[[Answer], bool]:
    """Return a check that the answer gives these words as its detail."""
    return lambda answer: isinstance(answer.body, dict) and words in str(answer.body.get("detail"))


def has(header: str) -> Callable[[Answer], bool]:
    """Make an expectation: the response has this header (lower-case name)."""
    return lambda answer: header in answer.headers


def policyctl(store_url: str, *arguments: str) -> None:
    """Run the command line as an operator would; raises CalledProcessError when it does not exit with 0."""
    ask_policyctl(store_url, *arguments).check_returncode()


def ask_policyctl(store_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line and return what it said, and its exit code."""
    program = Path(sys.executable).with_name("policyctl")
    environment = {**os.environ, "POLICY_STORE_URL": store_url}
    return subprocess.run(
        (program, *arguments), check=False, env=environment, capture_output=True, text=True, timeout=60
    )


def publish_policies(store_url: str) -> None:
    """Publish every policy of the examples but the incident's."""
    for name in ("_global", "acme", "globex"):
        policyctl(store_url, "publish", str(POLICIES / f"{name}.json"), "--author", "demo")


def demo() -> int:
    """Run the whole walk; return 0 when every step was as expected."""
    transcript = Transcript()
    with ExitStack() as running:
        server = running.enter_context(Server(persistent=True))
        store = running.enter_context(redis.Redis.from_url(server.url))
        transcript.say(
            f"a server of its own at {server.url}, version {store.info('server')['redis_version']}"
        )
        publish_policies(server.url)
        environment = {"POLICY_STORE_URL": server.url, "POLICY_MAX_STALE": str(MAX_STALE)}
        directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
        os.environ["POLICY_DECISION_LOG_KEY"] = secrets.token_hex(32)
        with ExitStack() as serving:
            started = [services.fastapi(), services.django(), services.flask()]
            for service in started:
                serving.enter_context(service.configure(environment, directory / f"{service.port}.log"))
            for service in started:
                walk(service, transcript, store)
            incident(started, transcript, store)
            outage(started, transcript, server)
        evidence(transcript, server.url, directory / "decisions.jsonl")
    return transcript.close()


def serve() -> int:
    """Leave the FastAPI service running over a real server until Ctrl-C."""
    with Server(persistent=True) as server:
        publish_policies(server.url)
        service = services.fastapi().configure({"POLICY_STORE_URL": server.url})
        with suppress(KeyboardInterrupt), service:
            ask = " ".join(f"-H '{name}: {value}'" for name, value in ANA.headers.items())
            change = "-x SET 'policy:doc:{acme}' < examples/policies/acme.json"
            print(f"\nAsk     curl -i {ask} {service.url}/customers/c1")
            print(f"Change  redis-cli -u {server.url} {change}")
            print(f"Look    policyctl --store {server.url} status\n", flush=True)
            service.wait()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="leave the FastAPI service running")
    # Ending by SIGTERM has to unwind as well, or the server and the services would be left behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(serve() if parser.parse_args().serve else demo())
