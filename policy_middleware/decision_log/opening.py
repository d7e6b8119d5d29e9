"""The decision log that the settings describe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from policy_middleware.decision_log.log import DecisionLog
from policy_middleware.decision_log.redaction import Redaction
from policy_middleware.decision_log.signing import open_signer
from policy_middleware.decision_log.sink import Sink
from policy_middleware.decision_log.sinks import open_sinks
from policy_middleware.model.errors import SettingsError
from policy_middleware.stores.freshness import Freshness
from policy_middleware.stores.protocol import Store


class LogSettings(Protocol):
    """The settings that a decision log is made of; `policy_middleware.settings` describes them."""

    @property
    def decision_log(self) -> object: ...
    @property
    def decision_log_queue(self) -> int: ...
    @property
    def decision_log_strict(self) -> bool: ...
    @property
    def decision_log_spill(self) -> Path | None: ...
    @property
    def decision_log_sample(self) -> float: ...
    @property
    def decision_log_erase(self) -> tuple[str, ...]: ...
    @property
    def decision_log_mask(self) -> tuple[str, ...]: ...
    @property
    def decision_log_key(self) -> bytes | None: ...
    @property
    def decision_log_signing_key(self) -> bytes | None: ...
    @property
    def on_log_failure(self) -> Literal["record_gap", "refuse"]: ...


def open_decision_log(
    settings: LogSettings, store: Store, freshness: Freshness, further: Sequence[Sink] = ()
) -> DecisionLog:
    """Open the log, with `further` sinks; raises SettingsError for what cannot work, and MissingExtra."""
    signing_key = settings.decision_log_signing_key
    if signing_key is not None and settings.decision_log_key is None:
        raise SettingsError(
            "decision_log_signing_key: signs what decision_log_key seals, so set that as well"
        )
    return DecisionLog(
        (*open_sinks(settings.decision_log, store, spill=settings.decision_log_spill), *further),
        capacity=settings.decision_log_queue,
        key=settings.decision_log_key,
        signer=None if signing_key is None else open_signer(signing_key),
        redaction=Redaction(settings.decision_log_erase, settings.decision_log_mask),
        sample=settings.decision_log_sample,
        freshness=freshness,
        strict=settings.decision_log_strict,
        refuses=settings.on_log_failure == "refuse",
    )
