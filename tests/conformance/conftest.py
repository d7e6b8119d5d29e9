"""One suite over every framework: the `adapter` fixture, and the policies and callers the tests share."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator

import pytest

from .harness import Adapter, Service, Setup

FRAMEWORKS = ("asgi", "starlette", "fastapi", "wsgi", "django", "flask")


def _adapters() -> list[Adapter]:
    found: list[Adapter] = []
    for framework in FRAMEWORKS:
        name = f"{__package__}.app_{framework}"
        if importlib.util.find_spec(name) is not None:
            found += importlib.import_module(name).ADAPTERS
    return found


@pytest.fixture(params=_adapters(), ids=lambda adapter: adapter.name)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    """Every framework in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def build(adapter: Adapter) -> Iterator[Callable[[Setup], Service]]:
    """Build services and close them after the test."""
    services: list[Service] = []

    def built(setup: Setup) -> Service:
        services.append(adapter.build(setup))
        return services[-1]

    yield built
    for service in reversed(services):
        service.close()
