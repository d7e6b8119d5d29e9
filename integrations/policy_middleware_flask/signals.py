"""What an application may listen to."""

from typing import Final

from blinker import Namespace

_signals: Final = Namespace()

policy_decided: Final = _signals.signal("policy-decided")
"""Sent by the app right before a view runs or is refused, with `decision`; listeners must not block."""
