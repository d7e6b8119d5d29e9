"""Masking of one whole body."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from policy_middleware.masking.headers import check_identity
from policy_middleware.masking.json_body import rewrite
from policy_middleware.masking.media_type import check_json
from policy_middleware.masking.selection import Selector
from policy_middleware.model.errors import MaskError
from policy_middleware.model.policy import MaskSpec


@dataclass(frozen=True, slots=True)
class MaskedBody:
    """A body that may leave, and how many of its values were masked."""

    body: bytes
    count: int


class Masker:
    """A compiled mask; immutable to its users, and shared by requests and threads."""

    __slots__ = ("_selector",)

    def __init__(self, spec: MaskSpec) -> None:
        """Compile `spec`; raises MaskError for a path that cannot be followed."""
        self._selector = Selector(spec.fields)

    @classmethod
    def from_spec(cls, spec: MaskSpec, *, tenant_key: bytes | None = None) -> Masker:
        """Return the masker of `spec`, compiled once; raises MaskError for a path that cannot be followed.

        `tenant_key` is the secret of operators that need one; no operator built so far does.
        """
        del tenant_key
        return _compiled(spec)

    def mask(self, body: bytes, content_type: str, headers: Iterable[tuple[str, str]] = ()) -> MaskedBody:
        """Return `body` with every place masked that a path names; everything else stays byte for byte.

        Raises MaskError unless the body is strict JSON in UTF-8 without a byte order mark, its
        `content_type` says so, and no Content-Encoding of `headers` hides it. Values under a masked path
        are masked leaf by leaf (keys and lengths stay readable) but for `nullify` and `drop`. With duplicate
        keys every occurrence is masked. Masking a masked body changes nothing.
        """
        check_identity(headers)
        check_json(content_type)
        text = _decoded(body)
        try:
            masked, count = rewrite(text, self._selector.root())
        except RecursionError:
            raise MaskError("the body is nested too deeply for the stack the application left") from None
        return MaskedBody(body if masked == text else masked.encode(), count)


@lru_cache(maxsize=1024)
def _compiled(spec: MaskSpec) -> Masker:
    return Masker(spec)


def _decoded(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        position = error.start
    else:
        if text.startswith("\ufeff"):
            raise MaskError(
                "the body starts with a byte order mark, which JSON has not (RFC 8259 section 8.1)"
            )
        return text
    # Raised out here because a UnicodeDecodeError in the context would carry the whole body along.
    raise MaskError(f"the body is not valid UTF-8 at byte {position}")
