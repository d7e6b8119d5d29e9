"""What a process asks of a document beyond its form before it takes effect."""

from __future__ import annotations

from collections.abc import Callable

from policy_middleware.model.policy import PolicyDocument

Admit = Callable[[PolicyDocument], None]
"""Raises DocumentError for a valid document that cannot be carried out in this process."""


def admit_all(document: PolicyDocument) -> None:
    """Admit every document that is valid."""
