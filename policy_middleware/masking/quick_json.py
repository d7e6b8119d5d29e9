"""orjson where the extra `mask` is installed; what it does is only ever quicker, never different."""

from __future__ import annotations

from typing import Any

orjson: Any = None
"""The module, None where it is not installed."""
try:
    import orjson as _orjson
except ImportError:
    pass
else:
    orjson = _orjson
