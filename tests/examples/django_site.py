"""The Django examples as they run in production, each with a database and a policy of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import redis

from examples.services import ROOT, Service
from policy_middleware import PolicyEnforcer

from .policies import policy_of

TENANT = "acme"


class Site:
    """A running example."""

    def __init__(self, url: str, enforcer: PolicyEnforcer) -> None:
        self.url = url
        self.enforcer = enforcer
        self._browsers: list[httpx2.Client] = []

    def client(self, headers: Mapping[str, str] | None = None) -> httpx2.Client:
        """Return a browser without any cookies."""
        browser = httpx2.Client(base_url=self.url, headers=headers, timeout=30)
        self._browsers.append(browser)
        return browser

    def close_browsers(self) -> None:
        """Close every connection to the example."""
        while self._browsers:
            self._browsers.pop().close()

    def signed_in(self, name: str, at: str = "/accounts/login/") -> httpx2.Client:
        """Return a browser in which somebody has signed in; its later requests carry the CSRF token."""
        browser = self.client()
        form = {"username": name, "password": f"{name}'s password", **csrf_of(browser.get(at).text)}
        response = browser.post(at, data=form, headers={"Referer": self.url})
        assert response.status_code == 302, response.text
        browser.headers["X-CSRFToken"] = browser.cookies["csrftoken"]
        browser.headers["Referer"] = self.url
        return browser


def csrf_of(page: str) -> dict[str, str]:
    """Return the hidden field of a form."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found is not None, page
    return {"csrfmiddlewaretoken": found[1]}


@contextmanager
def running(
    example: str, people: Mapping[str, str], directory: Path, redis_url: str, key_prefix: str
) -> Iterator[Site]:
    """Run an example with some people (name -> group) over a real store that holds its policy."""
    module = f"examples.auth.{example}"
    environment = {
        "DATABASE": str(directory / "database.sqlite3"),
        "POLICY_STORE_URL": redis_url,
        "POLICY_KEY_PREFIX": key_prefix,
    }
    users = "\n".join(_user(name, group) for name, group in people.items())
    for command in (["migrate", "-v0"], ["shell", "-v0", "-c", users]):
        subprocess.run(
            (sys.executable, "-m", module, *command), cwd=ROOT, env={**os.environ, **environment}, check=True
        )
    service = Service("Django", "gunicorn", f"{module}:application", "--threads", "2")
    with (
        PolicyEnforcer.from_url(
            redis_url, key_prefix=key_prefix, decision_log=lambda record: None
        ) as enforcer,
        service.configure(environment, directory / "log"),
    ):
        enforcer.publish(TENANT, policy_of(example))
        yield Site(service.url, enforcer)
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        client.delete(*client.scan_iter(f"{key_prefix}*"))


def _user(name: str, group: str) -> str:
    return (
        "from django.contrib.auth.models import Group, User; "
        f"User.objects.create_user({name!r}, password={name + chr(39) + 's password'!r}, is_staff=True, "
        f"is_superuser={group.endswith('/administrator')!r})"
        f".groups.add(Group.objects.get_or_create(name={group!r})[0])"
    )
