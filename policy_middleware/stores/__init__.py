"""Where policy documents live, and what of them is in force now."""

from policy_middleware.stores.files import FileStore
from policy_middleware.stores.in_force import OnMissingPolicy
from policy_middleware.stores.keys import DEFAULT_KEY_PREFIX, KeyLayout
from policy_middleware.stores.memory import MemoryStore
from policy_middleware.stores.opening import open_store
from policy_middleware.stores.protocol import (
    UNSET,
    ChangeListener,
    ExpectedRevision,
    ProcessReport,
    Store,
    StoredRevision,
    StoreReading,
    Watch,
)
from policy_middleware.stores.publishing import UnknownRevision, find_revision, publish_document, roll_back
from policy_middleware.stores.redis_store import RedisStore
from policy_middleware.stores.snapshots import DocumentStatus, Snapshots

__all__ = [
    "ChangeListener",
    "DEFAULT_KEY_PREFIX",
    "DocumentStatus",
    "ExpectedRevision",
    "FileStore",
    "KeyLayout",
    "MemoryStore",
    "OnMissingPolicy",
    "ProcessReport",
    "RedisStore",
    "Snapshots",
    "Store",
    "StoreReading",
    "StoredRevision",
    "UNSET",
    "UnknownRevision",
    "Watch",
    "find_revision",
    "open_store",
    "publish_document",
    "roll_back",
]
