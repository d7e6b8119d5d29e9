"""What a client does when an answer got lost: it sends the same command again."""

from __future__ import annotations

from typing import Any

from policy_middleware.approvals import RedisApprovals


class SentTwice:
    """A script of which only the second answer arrives."""

    def __init__(self, script: Any) -> None:
        self._script = script

    def __call__(self, **arguments: Any) -> Any:
        self._script(**arguments)
        return self._script(**arguments)


def send_everything_twice(queue: RedisApprovals) -> None:
    """Make every script of the queue run twice per step."""
    for name, value in vars(queue).items():
        if name.endswith("_script"):
            setattr(queue, name, SentTwice(value))
