"""The inbox in a real browser: Chromium, driven by Playwright, looked over by axe-core."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from policy_middleware.approvals import Approver
from policy_middleware.enforcer import PolicyEnforcer

from .inbox_service import Service, on_asgi, on_wsgi, policy

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SCREENSHOTS = os.environ.get("POLICY_TEST_SCREENSHOTS")
"""A directory where every page that a test has finished on is kept as a picture."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH; on Debian: apt-get install chromium"),
]

LIVE = 15_000
"""Milliseconds within which a page shows what has happened; by asking every five seconds at the latest."""

Open = Callable[..., Page]

_NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[on_asgi, on_wsgi], ids=["asgi", "wsgi"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with ExitStack() as stack:
        enforcer = stack.enter_context(PolicyEnforcer.from_url("memory://", decision_log=lambda _: None))
        enforcer.publish("acme", policy())
        yield stack.enter_context(request.param(enforcer))


@pytest.fixture
def inbox(request: pytest.FixtureRequest, browser: Browser, service: Service) -> Iterator[Open]:
    """Open the inbox as somebody; afterwards no page may have complained of anything."""
    pages: list[Page] = []
    complaints: list[str] = []

    def note(message: Any) -> None:
        # Every browser says so of a page that is answered with an error.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def opened(path: str = "/", user: str = "fin", **context: Any) -> Page:
        made = browser.new_context(viewport={"width": 1100, "height": 800}, **context)
        made.add_init_script(_NOTE_VIOLATIONS)
        made.add_cookies([{"name": "user", "value": user, "url": service.url}])
        page = made.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{service.url}/_policy/inbox{path}")
        pages.append(page)
        return page

    yield opened
    for number, page in enumerate(pages):
        if SCREENSHOTS:
            name = f"{request.node.name}-{number}.png".replace("/", "-")
            page.screenshot(path=Path(SCREENSHOTS) / name, full_page=True)
        if page.context.browser and page.evaluate("typeof window.violations") == "object":
            complaints += page.evaluate("window.violations")
        page.context.close()
    assert complaints == []


def test_a_request_appears_is_approved_and_runs(service: Service, inbox: Open) -> None:
    page = inbox()
    expect(page.get_by_role("heading", name="Nothing is waiting")).to_be_visible()
    task = service.park()
    row = page.get_by_role("link", name="ana asks to perform refund.create on customer:c-88")
    expect(row).to_be_visible(timeout=LIVE)
    expect(page.locator("#announcer")).to_contain_text("New: ana asks to perform refund.create")
    row.click()
    expect(page.get_by_text('"amount": 1240')).to_be_visible()
    expect(page.get_by_text("DE02120300000000202051")).to_have_count(0)
    assert service.ask(approval_id=task)[0] == 202
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("may repeat the request once")).to_be_visible()
    assert service.ask(approval_id=task) == (200, {"refunded": "c-88"})
    expect(page.get_by_text("The request ran.")).to_be_visible(timeout=LIVE)
    assert service.ask(approval_id=task)[0] == 409


def test_a_denial_needs_a_comment_and_ends_the_request(service: Service, inbox: Open) -> None:
    task = service.park()
    page = inbox(f"/requests/acme/{task}")
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("link", name="Say why you deny").click()
    page.get_by_label("Comment").fill("This customer was refunded already.")
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("is told why")).to_be_visible()
    expect(page.get_by_text("This customer was refunded already.")).to_be_visible()
    status, problem = service.ask(approval_id=task)
    assert (status, problem["type"].rpartition(":")[2]) == (403, "approval-denied")


def test_a_request_expires_while_somebody_looks_at_it(service: Service, inbox: Open) -> None:
    service.enforcer.publish("acme", policy(expires_in="4s"))
    page = inbox(f"/requests/acme/{service.park()}")
    expect(page.get_by_text("Expired: nobody decided in time.")).to_be_visible(timeout=LIVE)
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    expect(page.locator("#announcer")).to_contain_text("Expired")


def test_everything_can_be_done_from_the_keyboard(service: Service, inbox: Open) -> None:
    task = service.park()
    page = inbox()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(15):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "sentence":
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/requests/acme/{task}")
    for _ in range(15):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "comment":
            break
    page.keyboard.type("Checked the order.")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Approve")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("may repeat the request once")).to_be_visible()
    expect(page.get_by_text("Checked the order.")).to_be_visible()


def test_a_comment_being_written_survives_what_happens_meanwhile(service: Service, inbox: Open) -> None:
    service.enforcer.publish("acme", policy(required=2))
    task = service.park()
    page = inbox(f"/requests/acme/{task}")
    page.get_by_label("Comment").fill("I think")
    service.enforcer.approvals.approve("acme", task, Approver("dan", ("finance",)))
    expect(page.get_by_text("dan approved")).to_be_visible(timeout=LIVE)
    expect(page.get_by_label("Comment")).to_have_value("I think")
    expect(page.get_by_label("Comment")).to_be_focused()


def test_the_focus_stays_where_it_was_when_the_list_changes(service: Service, inbox: Open) -> None:
    service.park("ana")
    page = inbox()
    page.get_by_role("link", name="ana asks").focus()
    service.park("sam")
    expect(page.get_by_role("link", name="sam asks")).to_be_visible(timeout=LIVE)
    expect(page.get_by_role("link", name="ana asks")).to_be_focused()


def test_the_inbox_works_without_javascript(service: Service, inbox: Open) -> None:
    task = service.park()
    page = inbox(java_script_enabled=False)
    page.get_by_role("link", name="ana asks").click()
    page.get_by_label("Comment").fill("By hand.")
    page.get_by_role("button", name="Approve").click()
    assert page.url.endswith("?notice=approved")
    assert service.ask(approval_id=task)[0] == 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 390])
def test_axe_finds_nothing_serious(service: Service, inbox: Open, scheme: str, width: int) -> None:
    waiting, own = service.park("ana"), service.park("fin")
    denied = service.park("sam")
    service.enforcer.approvals.deny("acme", denied, Approver("dan", ("finance",)), "no")
    page = inbox(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    for path in (
        "/",
        "/?status=all",
        "/?requester=nobody",
        f"/requests/acme/{waiting}",
        f"/requests/acme/{own}",
        f"/requests/acme/{denied}",
        "/nothing/here",
    ):
        page.goto(f"{service.url}/_policy/inbox{path}")
        found = Axe().run(page).response["violations"]
        told = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]
        assert told == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path


def test_another_site_can_neither_frame_the_inbox_nor_vote(
    service: Service, inbox: Open, browser: Browser
) -> None:
    task = service.park()
    inbox()
    context = browser.new_context()
    context.add_cookies([{"name": "user", "value": "fin", "url": service.url}])
    page = context.new_page()
    target = f"{service.url}/_policy/inbox/requests/acme/{task}/approve"
    elsewhere = service.url.replace("127.0.0.1", "localhost")
    page.route(
        f"{elsewhere}/evil",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<iframe src="{service.url}/_policy/inbox"></iframe>'
            f'<form method="post" action="{target}"><button>Win</button></form>',
        ),
    )
    page.goto(f"{elsewhere}/evil")
    assert page.frames[1].url.startswith("chrome-error:")
    page.get_by_role("button", name="Win").click()
    expect(page.get_by_role("heading", name="Nothing was decided")).to_be_visible()
    stored = service.enforcer.approvals.get("acme", task)
    assert stored is not None
    assert stored.votes == ()
    context.close()
