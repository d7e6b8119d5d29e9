"""The settings: read when they are needed, so that `override_settings` works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from policy_middleware.gate import Gate, build_gate
from policy_middleware.model.errors import SettingsError
from policy_middleware_django.routes import RoutePolicies
from policy_middleware_django.signals import forward

SETTING: Final = "POLICY_MIDDLEWARE"


@dataclass(frozen=True, slots=True)
class Installation:
    """What a settings dict comes to: the gate, and the routes as it sees them."""

    gate: Gate
    routes: RoutePolicies
    owns_enforcer: bool
    """True when the enforcer was made from the dict and ends with it."""
    stop_signals: Callable[[], None]
    """Ends the sending of `approval_changed`."""


class Installations:
    """The installation of each settings dict (there is one, but for subclasses of the middleware)."""

    def __init__(self) -> None:
        self._built: dict[str, Installation] = {}
        self._lock = threading.Lock()

    def __getitem__(self, setting: str) -> Installation:
        """Return the installation of the dict under this name; raises SettingsError."""
        try:
            return self._built[setting]
        except KeyError:
            with self._lock:
                return self._built.get(setting) or self._build(setting)

    def forget(self, setting: str) -> None:
        """Drop an installation; the next request builds it anew from what is set by then."""
        with self._lock:
            dropped = self._built.pop(setting, None)
        if dropped is None:
            return
        dropped.stop_signals()
        if dropped.owns_enforcer:
            dropped.gate.enforcer.close()

    def rest(self) -> None:
        """Write what waits to be written, because the server shuts down; see `PolicyEnforcer.rest`."""
        for installation in list(self._built.values()):
            installation.gate.enforcer.rest()

    def _build(self, setting: str) -> Installation:
        options = options_of(setting)
        gate = build_gate(options)
        installation = Installation(
            gate, RoutePolicies(gate.routes), options.get("enforcer") is None, forward(gate.enforcer)
        )
        self._built[setting] = installation
        return installation


def options_of(setting: str) -> dict[str, object]:
    """Return a settings dict with the names that every adapter uses; raises SettingsError."""
    configured = getattr(settings, setting, {})
    if not isinstance(configured, Mapping):
        raise SettingsError(f"{setting}: must be a dict, not {configured!r}")
    options = {str(name).lower(): value for name, value in configured.items()}
    enforcer = options.get("enforcer")
    if isinstance(enforcer, str):
        try:
            options["enforcer"] = import_string(enforcer)
        except ImportError as error:
            raise SettingsError(
                f"{setting}['ENFORCER']: {enforcer!r} cannot be imported ({error})"
            ) from error
    return options


installations: Final = Installations()


def forget_changed(*, setting: str, **_: object) -> None:
    """Listen to `setting_changed`, which `override_settings` sends."""
    installations.forget(setting)


setting_changed.connect(forget_changed, dispatch_uid="policy_middleware")
