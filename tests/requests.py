"""A request as an adapter would describe it, for tests of what every adapter shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from policy_middleware.attributes import HeaderNames
from policy_middleware.routing import RoutePolicy, route_policy


@dataclass
class FakeRequest:
    """Implements `policy_middleware.steps.RequestView`."""

    method: str = "GET"
    path: str = "/customers/7"
    root_path: str = ""
    query: str = ""
    host: str | None = "app.example"
    client: str | None = "192.0.2.7"
    route: RoutePolicy | None = field(default_factory=lambda: route_policy("GET", "/customers/{id}", None))
    path_params: Mapping[str, object] = field(default_factory=lambda: {"id": 7})
    headers: Sequence[tuple[str, str]] = ()
    framework_user: object | None = None
    joins_duplicates: bool = False

    @property
    def native(self) -> object:
        """The request object that custom callables receive."""
        return self

    def header(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def single_headers(self, names: HeaderNames) -> tuple[object, ...] | None:
        """Return the value of each header; None when one is repeated."""
        found = [self.header(name.decode()) for name in names.encoded]
        return (
            None
            if any(len(values) > 1 for values in found)
            else tuple(each[0] if each else None for each in found)
        )

    def user(self) -> object | None:
        """Return the user the framework authenticated."""
        return self.framework_user
