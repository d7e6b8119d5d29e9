"""The base of every model of what authors write."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class AuthoredModel(BaseModel):
    """Base of what is read from a document: no unknown key, no conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
