"""From a store URL to a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit

from policy_middleware.model.errors import SettingsError
from policy_middleware.stores.connection import without_password
from policy_middleware.stores.files import FileStore
from policy_middleware.stores.keys import DEFAULT_KEY_PREFIX
from policy_middleware.stores.memory import MemoryStore
from policy_middleware.stores.protocol import Store
from policy_middleware.stores.redis_store import RedisStore


def open_store(url: str, *, key_prefix: str = DEFAULT_KEY_PREFIX) -> Store:
    """Return the store at a URL; nothing is contacted before it is used.

    `memory://`, `file:///directory`, `embedded:///directory`, `redis://`, `rediss://` and `unix://`. Raises
    SettingsError, or MissingExtra for an embedded server that is not installed.
    """
    scheme = url.partition("://")[0].lower()
    opener = _SCHEMES.get(scheme)
    if opener is None:
        known = ", ".join(f"{name}://" for name in _SCHEMES if name not in _NOT_BUILT_YET)
        raise SettingsError(f"store_url {without_password(url)!r}: unknown scheme; known are {known}")
    return opener(url, key_prefix)


def _open_memory(url: str, key_prefix: str) -> Store:
    return MemoryStore()


def _open_files(url: str, key_prefix: str) -> Store:
    return FileStore(_directory(url, "file:///etc/policies"))


def _open_embedded(url: str, key_prefix: str) -> Store:
    try:
        # Imported here, because there are no file locks to share a server by on Windows.
        from policy_middleware.stores.embedded import EmbeddedStore
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"store_url {url!r}: there is no {error.name} on this system; use file:// or redis://"
        ) from error
    return EmbeddedStore(_directory(url, "embedded:///srv/shop/.policy"), key_prefix=key_prefix)


def _directory(url: str, example: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.strip("/"):
        raise SettingsError(f"store_url {url!r}: name a directory with three slashes, such as {example}")
    return unquote(parts.path)


def _open_redis(url: str, key_prefix: str) -> Store:
    return RedisStore(url, key_prefix=key_prefix)


def _not_built_yet(url: str, key_prefix: str) -> Store:
    raise SettingsError(
        f"store_url {without_password(url)!r}: this kind of store is not built yet; "
        "use redis://, rediss:// or unix://"
    )


_NOT_BUILT_YET: Final = ("redis+sentinel", "redis+cluster")
_SCHEMES: Final[dict[str, Callable[[str, str], Store]]] = {
    "memory": _open_memory,
    "file": _open_files,
    "embedded": _open_embedded,
    "redis": _open_redis,
    "rediss": _open_redis,
    "unix": _open_redis,
    **dict.fromkeys(_NOT_BUILT_YET, _not_built_yet),
}
