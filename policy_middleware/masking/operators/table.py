"""Which operator does what an operation of the policy says, and what holds where several meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from policy_middleware.masking.keys import NO_KEY, check_tenant_key
from policy_middleware.masking.operator_protocol import MaskingOperator
from policy_middleware.masking.operators.custom import Custom
from policy_middleware.masking.operators.dates import DateShift, Generalize
from policy_middleware.masking.operators.encrypting import Encrypt
from policy_middleware.masking.operators.partial import EmailMask, Partial
from policy_middleware.masking.operators.pseudonyms import Hash, Tokenize
from policy_middleware.masking.operators.replacing import Keep, Redact, Replace
from policy_middleware.model.errors import MaskError
from policy_middleware.model.policy import (
    KEYED_OPERATORS,
    REVEALING_OPERATORS,
    MaskOperator,
    Operation,
)

STRICTNESS: Final[Mapping[MaskOperator, int]] = MappingProxyType(
    {operator: rank for rank, operator in enumerate(MaskOperator)}
)
_REDACT: Final = Operation(MaskOperator.REDACT)

_MAKERS: Final[Mapping[MaskOperator, Callable[[Operation, int, bytes], MaskingOperator]]] = MappingProxyType(
    {
        MaskOperator.KEEP: lambda _, rank, __: Keep(rank),
        MaskOperator.CUSTOM: lambda operation, rank, _: Custom.named(rank, operation.function or ""),
        MaskOperator.DATE_SHIFT: lambda operation, rank, key: DateShift.under(rank, key, operation.days),
        MaskOperator.GENERALIZE: lambda operation, rank, _: Generalize(rank, operation.to, operation.bucket),
        MaskOperator.EMAIL_MASK: lambda _, rank, __: EmailMask(rank),
        MaskOperator.ENCRYPT: lambda _, rank, key: Encrypt(rank, key),
        MaskOperator.TOKENIZE: lambda _, rank, key: Tokenize(rank, key),
        MaskOperator.HASH: lambda _, rank, key: Hash(rank, key),
        MaskOperator.REPLACE: lambda operation, rank, _: Replace(rank, operation.text),
        MaskOperator.REDACT: lambda _, rank, __: Redact(rank),
        MaskOperator.NULLIFY: lambda _, rank, __: Redact(rank),
        MaskOperator.DROP: lambda _, rank, __: Redact(rank),
    }
)


def strictest(operations: frozenset[Operation]) -> Operation:
    """Return the operation that holds where all of these meet (but for several `partial`, see `Operators`).

    The strictest operator wins. Where that one still shows something, and another shows something else, or
    where one operator is asked for with different parameters, the value is redacted.
    """
    asked = [operation for operation in operations if operation.operator is not MaskOperator.KEEP]
    if len(asked) < 2:
        return asked[0] if asked else next(iter(operations))
    winner = max(asked, key=lambda operation: STRICTNESS[operation.operator])
    if STRICTNESS[winner.operator] >= STRICTNESS[MaskOperator.REDACT]:
        return winner
    if winner.operator in REVEALING_OPERATORS:
        return _REDACT
    alike = sum(operation.operator is winner.operator for operation in asked)
    return winner if alike == 1 else _REDACT


class Operators:
    """The operators of one tenant, each made once."""

    def __init__(self, tenant_key: bytes | None) -> None:
        """Take the key of keyed operators; raises MaskError for one that is too short."""
        self._tenant_key = None if tenant_key is None else check_tenant_key(tenant_key)
        self._made: dict[frozenset[Operation], MaskingOperator] = {}

    def of(self, operations: frozenset[Operation]) -> MaskingOperator:
        """Return the operator where `operations` meet.

        Raises MaskError without the key it needs, for parameters that make no sense and for a custom operator
        that nobody registered, and MissingExtra.
        """
        operator = self._made.get(operations)
        if operator is None:
            operator = self._made[operations] = self._make(operations)
        return operator

    def _make(self, operations: frozenset[Operation]) -> MaskingOperator:
        for operation in operations:
            _check(operation)
            if operation.operator in KEYED_OPERATORS and self._tenant_key is None:
                raise MaskError(f"the operator {operation.operator} {NO_KEY}")
        if {operation.operator for operation in operations} == {MaskOperator.PARTIAL}:
            shown = frozenset((operation.show_first, operation.show_last) for operation in operations)
            return Partial(STRICTNESS[MaskOperator.PARTIAL], shown)
        winner = strictest(operations)
        rank = STRICTNESS[winner.operator]
        if winner.operator is MaskOperator.PARTIAL:
            return Partial(rank, frozenset({(winner.show_first, winner.show_last)}))
        return _MAKERS[winner.operator](winner, rank, self._tenant_key or b"")


def _check(operation: Operation) -> None:
    if operation.show_first < 0 or operation.show_last < 0:
        raise MaskError("a partial shows a negative number of characters")
    if operation.operator is MaskOperator.DATE_SHIFT and operation.days < 1:
        raise MaskError("a date_shift moves dates by no day at all")
