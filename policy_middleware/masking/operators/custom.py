"""Operators of the application's own: `{"operator": "custom", "function": "initials"}`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from policy_middleware.model.errors import MaskError, SettingsError

CustomOperator = Callable[[str, str], str]
"""Takes a value and the name of what it is (`MASKED` for a field); returns what is written instead."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_registered: Final[dict[str, CustomOperator]] = {}


def register_operator(name: str, function: CustomOperator) -> None:
    """Make a function known to policies as `{"operator": "custom", "function": name}`; at start-up.

    It is called as `function(value, entity)` from any thread, has to be quick, and should return the same for
    the same value, and for its own output. When it raises, the response is withheld. Raises SettingsError for
    a name that cannot be written or is taken.
    """
    if _NAME.fullmatch(name) is None:
        raise SettingsError(f"{name!r} cannot name an operator; write letters, digits, '_', '-' and '.'")
    if _registered.setdefault(name, function) is not function:
        raise SettingsError(f"an operator named {name!r} is registered already")


@dataclass(frozen=True, slots=True)
class Custom:
    """Calls a registered function."""

    strictness: int
    name: str
    function: CustomOperator

    @classmethod
    def named(cls, strictness: int, name: str) -> Custom:
        """Return the operator of that name; raises MaskError for one that nobody registered."""
        function = _registered.get(name)
        if function is None:
            known = ", ".join(sorted(_registered)) or "none"
            raise MaskError(f"no operator {name!r} is registered (register_operator); there are: {known}")
        return cls(strictness, name, function)

    def text(self, value: str, entity: str) -> str:
        """Return what the function returns; raises MaskError, without the value, when it fails."""
        try:
            written: object = self.function(value, entity)
        except Exception as error:  # noqa: BLE001 (whatever it is, nothing may leave)
            problem = f"failed with {type(error).__name__}"
        else:
            if isinstance(written, str):
                return written
            problem = f"returned a {type(written).__name__}, not text"
        # Raised out here, because the error in the context may carry the value along.
        raise MaskError(f"the operator {self.name!r} {problem}")
