"""One suite over every framework: the `adapter` fixture, and the policies and callers the tests share."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from policy_middleware.enforcer import PolicyEnforcer

from .harness import Adapter, Service, Setup
from .policies import SOURCES, TENANT

FRAMEWORKS = ("asgi", "starlette", "fastapi", "wsgi", "django", "flask")

Build = Callable[..., Service]


def adapters() -> list[Adapter]:
    """Return every framework that takes part."""
    found: list[Adapter] = []
    for framework in FRAMEWORKS:
        name = f"{__package__}.app_{framework}"
        if importlib.util.find_spec(name) is not None:
            found += importlib.import_module(name).ADAPTERS
    return found


@pytest.fixture(params=adapters(), ids=lambda adapter: adapter.name)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    """Every framework in turn."""
    return request.param  # type: ignore[no-any-return]


class Records:
    """The decision records of one enforcer, read back after they were written."""

    def __init__(self) -> None:
        self._written: list[Mapping[str, Any]] = []
        self.enforcer = PolicyEnforcer.from_url("memory://", decision_log=self._written.append)

    def decisions(self) -> list[Mapping[str, Any]]:
        """Return every decision that was recorded, without the events that belong to one."""
        return [record for record in self._all() if record["event"] == "decision"]

    def events(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the events of a kind."""
        return [record for record in self._all() if record["event"] == kind]

    def taken(self) -> list[Mapping[str, Any]]:
        """Return every record since the last time, and forget them."""
        records = self._all()
        self._written.clear()
        return records

    def _all(self) -> list[Mapping[str, Any]]:
        self.enforcer.decision_log.flush()
        return list(self._written)


@pytest.fixture
def records() -> Iterator[Records]:
    """The records of the `enforcer`."""
    records = Records()
    yield records
    records.enforcer.close()


@pytest.fixture
def enforcer(records: Records) -> PolicyEnforcer:
    """An enforcer over a store in memory, without any document yet."""
    return records.enforcer


@pytest.fixture
def build(adapter: Adapter, enforcer: PolicyEnforcer) -> Iterator[Build]:
    """Build services and close them after the test.

    Takes the policy of the tenant, options of the middleware over the usual sources, and `setup_` fields of
    the Setup.
    """
    services: list[Service] = []

    def built(document: dict[str, object] | None = None, **more: Any) -> Service:
        if document is not None:
            enforcer.publish(TENANT, document)
        fields = {
            name.removeprefix("setup_"): more.pop(name) for name in list(more) if name.startswith("setup_")
        }
        options = {"enforcer": enforcer, **SOURCES, **more}
        services.append(adapter.build(Setup({k: v for k, v in options.items() if v is not None}, **fields)))
        return services[-1]

    yield built
    for service in reversed(services):
        service.close()
