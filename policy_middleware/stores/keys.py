"""Where everything lives in Redis. Hash tags keep all keys of one tenant in one slot of a cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from policy_middleware.model.errors import SettingsError
from policy_middleware.model.vocabulary import is_document_name

DEFAULT_KEY_PREFIX: Final = "policy:"
INVALIDATION_CHANNEL: Final = "__redis__:invalidate"

# Braces would become the hash tag of every key, blanks and glob characters would need quoting in ACL rules.
_PREFIX: Final = re.compile(r"[A-Za-z0-9._:/@-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """The names of all keys under one prefix (`policy:` unless configured otherwise)."""

    prefix: str = DEFAULT_KEY_PREFIX

    def __post_init__(self) -> None:
        if _PREFIX.fullmatch(self.prefix) is None:
            raise SettingsError(
                f"key_prefix {self.prefix!r} must be 1-64 characters of A-Za-z0-9._:/@- such as 'policy:'"
            )

    @property
    def documents(self) -> str:
        """What every document key starts with, and no other key."""
        return f"{self.prefix}doc:"

    def doc(self, name: str) -> str:
        """The string that holds the JSON document of a tenant, or of `_global`, `_incident`, `_default`."""
        return f"{self.prefix}doc:{{{_checked(name)}}}"

    def history(self, name: str) -> str:
        """The stream of every revision of a document that was ever in force."""
        return f"{self.prefix}history:{{{_checked(name)}}}"

    def status(self, name: str) -> str:
        """The hash in which each process tells what it made of a document."""
        return f"{self.prefix}status:{{{_checked(name)}}}"

    def meta(self) -> str:
        """The marker that tells a store with policies from an emptied one."""
        return f"{self.prefix}meta"

    def approval(self, tenant: str, *parts: str) -> str:
        """A key of the tenant's approval queue."""
        return ":".join((f"{self.prefix}approval:{{{_checked(tenant)}}}", *parts))

    def count(self, tenant: str, *parts: str) -> str:
        """A key of the tenant's counters."""
        return ":".join((f"{self.prefix}count:{{{_checked(tenant)}}}", *parts))

    def decisions(self) -> str:
        """The stream of decision records."""
        return f"{self.prefix}decisions"

    def decision_writer(self, writer: str) -> str:
        """The number of the last record that a process has added to the stream; in the stream's slot."""
        return f"{self.prefix}decision-writer:{{{self.decisions()}}}:{writer}"

    def document_name(self, key: str) -> str | None:
        """Return the name of the document a key holds; None when it is no well-formed document key."""
        start = self.documents + "{"
        if not (key.startswith(start) and key.endswith("}")):
            return None
        name = key[len(start) : -1]
        return name if is_document_name(name) else None


def _checked(name: str) -> str:
    """Refuse what could reach into another key; callers validate tenants long before."""
    if not is_document_name(name):
        raise ValueError(f"{name!r} is neither a tenant id nor _global, _incident or _default")
    return name
