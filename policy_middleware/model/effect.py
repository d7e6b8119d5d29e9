"""What a rule may answer, and which answer wins when two meet."""

from __future__ import annotations

from enum import StrEnum


class Effect(StrEnum):
    """The answer of a rule or of a default, in rising strictness."""

    ALLOW = "allow"
    MASK = "mask"
    REQUIRE_APPROVAL = "require_approval"
    DENY = "deny"

    @property
    def strictness(self) -> int:
        """0 (allow) to 3 (deny); where two effects meet, the higher one wins."""
        return _STRICTNESS[self]

    @property
    def restricts(self) -> bool:
        """True for every effect that gives the client less than the handler would."""
        return self is not Effect.ALLOW


_STRICTNESS = {effect: rank for rank, effect in enumerate(Effect)}
