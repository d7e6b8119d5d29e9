"""From a setting to those who hear of approvals."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence

from policy_middleware.approvals.events import ApprovalListener
from policy_middleware.model.errors import SettingsError


def open_listeners(setting: object) -> tuple[ApprovalListener, ...]:
    """Return the callables that `on_approval` names: one or several, or the dotted paths of such.

    As text, several paths are separated by commas. Raises SettingsError.
    """
    if isinstance(setting, str):
        setting = [part.strip() for part in setting.split(",") if part.strip()]
    items = setting if isinstance(setting, Sequence) else [setting]
    return tuple(map(_listener, items))


def _listener(item: object) -> ApprovalListener:
    found = item
    if isinstance(item, str):
        try:
            found = pkgutil.resolve_name(item)
        except (ValueError, ImportError, AttributeError) as error:
            raise SettingsError(f"on_approval: {item!r} cannot be imported ({error})") from error
    if not callable(found):
        raise SettingsError(f"on_approval: {item!r} is not callable; give a function of one ApprovalEvent")
    return found
