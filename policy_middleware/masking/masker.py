"""A mask of the policy made ready for one tenant: bodies, streams, texts and headers go through it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from policy_middleware.masking.bodies.rules import BodyRules, Column, Tally
from policy_middleware.masking.bodies.whole import mask_body
from policy_middleware.masking.codecs import codings_of, decode
from policy_middleware.masking.json_body import Masked, rewrite
from policy_middleware.masking.json_fields import FieldPlan
from policy_middleware.masking.json_texts import check_json, mask_texts
from policy_middleware.masking.keeping import Keeping
from policy_middleware.masking.media_type import Kind, media_type
from policy_middleware.masking.operators import Operators
from policy_middleware.masking.operators.constants import FIELD
from policy_middleware.masking.searched import searched
from policy_middleware.masking.selection import Place, Selector
from policy_middleware.masking.streams import StreamMask, stream_mask
from policy_middleware.masking.text_rules import text_masker
from policy_middleware.model.errors import MaskError
from policy_middleware.model.mask_models import MaskModel
from policy_middleware.model.policy import MaskOperator, MaskSpec

if TYPE_CHECKING:
    from policy_middleware.masking.text_masking import TextMasker

LONGEST_HELD: Final = 1024 * 1024
"""Bytes of one event or line that a stream holds at most."""

LONGEST_DECODED: Final = 16 * 1024 * 1024
"""Bytes that a compressed body may have once it is decoded."""

OFF_LOOP_BYTES: Final = 32 * 1024
"""A body longer than this belongs into a worker thread.

Masking costs about 10 to 60 microseconds per KB (docs/masking.md has the figures): less than 2 ms for a body
of this length, but seconds for the longest ones.
"""


@dataclass(slots=True)
class MaskedBody:
    """A body that may leave, how many of its values were masked, and what was recognised in it.

    `paths` tells how many values were masked by each path of the mask, as the rule spells it.
    """

    # Not frozen: one that is takes a microsecond longer to make, a ninth of what masking 1 KB takes.

    body: bytes
    count: int
    entities: Mapping[str, int] = field(default_factory=dict)
    paths: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MaskedJson:
    """A JSON text that may leave (None: as it was), and what was masked in it, as MaskedBody tells it."""

    text: str | None
    fields: int
    paths: Mapping[str, int]
    entities: Counter[str]


@dataclass(frozen=True, slots=True)
class MaskedText:
    """A text that may leave, and what was recognised in it."""

    text: str
    entities: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MaskedHeader:
    """The value of a header that may leave (None: the header may not), and what was masked in it."""

    value: str | None
    count: int = 0
    entities: Mapping[str, int] = field(default_factory=dict)


class Masker:
    """A compiled mask; immutable to its users, and shared by requests and threads."""

    __slots__ = ("_headers", "_keeps", "_only_plan", "_plan", "_selector", "_texts", "spec")

    def __init__(self, spec: MaskSpec, operators: Operators) -> None:
        """Compile `spec` with the operators of a tenant.

        Raises MaskError for a path, entity, pattern or operator that cannot be followed and for a key that is
        missing, MissingExtra for what is not installed.
        """
        self.spec = spec
        self._selector = Selector(spec.fields, operators)
        self._plan = FieldPlan.of(self._selector.paths)
        self._texts: TextMasker | None = text_masker(spec.entities, operators)
        self._only_plan = self._plan if self._texts is None else None
        self._keeps = self._texts is not None and any(
            mask.operator is MaskOperator.KEEP for mask in spec.fields
        )
        self._headers = {
            mask.name: None
            if mask.operation is None
            else (
                mask.operation.operator,
                searched(operators.of(frozenset({mask.operation})), [mask.operation], [mask.name], operators),
            )
            for mask in spec.headers
        }

    @classmethod
    def from_spec(cls, spec: MaskSpec | Mapping[str, object], *, tenant_key: bytes | None = None) -> Masker:
        """Return the masker of `spec` (what a policy says, or a rule's `mask` object), compiled once.

        `tenant_key` is the secret of keyed operators, at least 16 bytes. Raises
        what the constructor raises.
        """
        if not isinstance(spec, MaskSpec):
            try:
                spec = MaskModel.model_validate(spec).spec({})
            except ValidationError as error:
                raise MaskError(
                    f"the mask is not valid: {error.errors(include_url=False)[0]['msg']}"
                ) from None
        return _compiled(spec, tenant_key)

    @property
    def named_headers(self) -> Set[str]:
        """The lower-case names of the headers that the mask names."""
        return self._headers.keys()

    def rules(self) -> BodyRules:
        """Return what bodies and streams ask while one response is masked, with a tally of its own."""
        return BodyRules(self._json_rules, self._texts, self._columns, has_fields=bool(self.spec.fields))

    def mask(
        self, body: bytes, content_type: str, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()
    ) -> MaskedBody:
        """Return `body` masked; what is not masked stays byte for byte, a clean body is handed back.

        A body that is compressed, as a Content-Encoding of `headers` says, is decoded and stays so. Raises
        MaskError unless it is what its `content_type` says and can be masked: JSON is strict JSON without a
        byte order mark. Values under a masked path are masked leaf by leaf (keys and lengths stay readable)
        but for `nullify` and `drop`; with duplicate keys every occurrence is masked. Masking a masked body
        changes nothing, except dates under `date_shift`.
        """
        if headers:
            pairs = headers.items() if isinstance(headers, Mapping) else headers
            codings = codings_of(value for name, value in pairs if name.lower() == "content-encoding")
            body = decode(body, codings, limit=LONGEST_DECODED)
        if _is_json_in_utf8(content_type):
            return self.mask_json(body)
        rules = self.rules()
        masked = mask_body(body, _media_type(content_type), rules)
        return MaskedBody(masked, rules.tally.count, dict(rules.tally.entities), dict(rules.tally.paths))

    def mask_json(self, body: bytes) -> MaskedBody:
        """Return JSON in UTF-8 masked; raises MaskError for anything else."""
        if self._only_plan is not None:
            fast = self._only_plan.apply(body)
            if fast is not None:
                written, counts = fast
                return MaskedBody(written, sum(counts.values()), {}, counts)
        masked = self.mask_json_text(_decoded(body), body)
        return MaskedBody(
            body if masked.text is None else masked.text.encode(),
            masked.fields + masked.entities.total(),
            dict(masked.entities),
            masked.paths,
        )

    def mask_json_text(self, text: str, body: bytes | None = None) -> MaskedJson:
        """Return a JSON text masked.

        `body` is the same text in UTF-8, for who has it. Raises MaskError for what is not strict JSON.
        """
        body = text.encode() if body is None else body
        masked, count, keeping = text, 0, None
        paths: dict[str, int] = {}
        fast = None if self._plan is None else self._plan.apply(body)
        if fast is not None:
            rewritten, paths = fast
            count = sum(paths.values())
            masked = text if rewritten is body else rewritten.decode()
        elif self.spec.fields:
            keeping = Keeping() if self._keeps else None
            masked, by_paths = self._fields_masked(text, keeping)
            count = by_paths.total()
            for numbers, values in by_paths.items():
                for number in numbers:
                    path = self.spec.fields[number].path
                    paths[path] = paths.get(path, 0) + values
        else:
            check_json(body, text)
        entities: Counter[str] = Counter()
        if self._texts is not None:
            masked, entities = mask_texts(masked, self._texts)
        if keeping is not None:
            masked = keeping.restored(masked)
        return MaskedJson(None if masked == text else masked, count, paths, entities)

    def mask_text(self, text: str) -> MaskedText:
        """Return a text masked by what is recognised in it."""
        if self._texts is None:
            return MaskedText(text)
        masked = self._texts.mask(text)
        return MaskedText(masked.text, dict(masked.findings))

    def mask_header(self, name: str, value: str) -> MaskedHeader:
        """Return the value of a response header as it may leave; raises MaskError.

        A header the mask names is treated as it says; in any other one what the mask recognises is masked.
        """
        rule = self._headers.get(name.lower())
        if rule is None:
            return self._header_searched(value)
        asked, operator = rule
        if asked is MaskOperator.DROP:
            return MaskedHeader(None, 1)
        if asked is MaskOperator.KEEP:
            return MaskedHeader(value)
        return MaskedHeader(_one_line(operator.text(value, FIELD)), 1)

    def stream(self, content_type: str, *, limit: int = LONGEST_HELD) -> StreamMask:
        """Return a masker of a body in parts: `feed(chunk)` and `close()` return what may leave.

        Raises MaskError for a type that has to be complete before it can be masked. At most `limit` bytes of
        one line or event are held.
        """
        return stream_mask(media_type(content_type), self.rules(), limit=limit)

    def _header_searched(self, value: str) -> MaskedHeader:
        if self._texts is None:
            return MaskedHeader(value)
        masked = self._texts.mask(value)
        if not masked.findings:
            return MaskedHeader(value)
        return MaskedHeader(_one_line(masked.text), sum(masked.findings.values()), dict(masked.findings))

    def _json_rules(self, text: str, tally: Tally) -> str:
        masked = self.mask_json_text(text)
        tally.count += masked.fields
        tally.found(masked.entities)
        for path, count in masked.paths.items():
            tally.place(path, count)
        return text if masked.text is None else masked.text

    def _columns(self, names: Sequence[str]) -> Sequence[Column | None]:
        root = self._selector.root()
        if root is None:
            return [None] * len(names)
        members = root.members
        return [self._column(members.named.get(name, members.other)) for name in names]

    def _column(self, place: Place | None) -> Column | None:
        if place is None or place.treatment is None:
            return None
        return Column(place.treatment, [self.spec.fields[number].path for number in sorted(place.asked)])

    def _fields_masked(self, text: str, keeping: Keeping | None) -> tuple[str, Masked]:
        try:
            return rewrite(text, self._selector.root(), keeping)
        except RecursionError:
            raise MaskError("the body is nested too deeply for the stack the application left") from None


_media_type = lru_cache(maxsize=256)(media_type)


@lru_cache(maxsize=256)
def _is_json_in_utf8(content_type: str) -> bool:
    media = _media_type(content_type)
    return media.kind is Kind.JSON and media.charset == "utf-8"


@lru_cache(maxsize=1024)
def _compiled(spec: MaskSpec, tenant_key: bytes | None) -> Masker:
    return Masker(spec, Operators(tenant_key))


def _one_line(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise MaskError("an operator wrote what cannot stand in a header")
    return value


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
