"""What a record says of a response that was masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from policy_middleware.masking.bodies.rules import Tally


@dataclass(frozen=True, slots=True)
class MaskReport:
    """What was masked in one response: how many values, which entities, at which paths. Never a value."""

    count: int
    entities: Mapping[str, int] = field(default_factory=dict)
    paths: Mapping[str, int] = field(default_factory=dict)
    streamed: bool = False
    complete: bool = True
    """False when the client left, or the server stopped, before the end."""

    def members(self) -> dict[str, object]:
        """Return what a record of the response says."""
        found = {"entities": dict(self.entities)} if self.entities else {}
        places = {"paths": dict(self.paths)} if self.paths else {}
        streamed = {"streamed": True} if self.streamed else {}
        ending: dict[str, object] = {} if self.complete else {"complete": False}
        return {"count": self.count, **found, **places, **streamed, **ending}

    @classmethod
    def of(cls, tally: Tally, *, streamed: bool, complete: bool = True) -> MaskReport:
        """Return what a tally holds by now."""
        return cls(tally.count, dict(tally.entities), dict(tally.paths), streamed, complete)
