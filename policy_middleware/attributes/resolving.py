"""From a setting to a source."""

from __future__ import annotations

import importlib

from policy_middleware.attributes.request_sources import listed
from policy_middleware.attributes.source import Custom, Source
from policy_middleware.model.errors import SettingsError


def as_source(spec: object, setting: str, *, many: bool = False) -> Source:
    """Turn a setting into a source: a source, a callable, or the dotted path of either.

    Raises SettingsError naming the setting.
    """
    if isinstance(spec, str):
        spec = _imported(spec, setting)
    if isinstance(spec, Source):
        return listed(spec) if many else spec
    if callable(spec):
        return Custom(spec)
    raise SettingsError(
        f"{setting}: {spec!r} is no source; give header('X-Name'), claim('name'), a callable or a dotted path"
    )


def _imported(path: str, setting: str) -> object:
    module, separator, name = path.partition(":")
    if not separator:
        module, separator, name = path.rpartition(".")
    if not separator:
        raise SettingsError(f"{setting}: {path!r} is not a dotted path such as 'myapp.tenancy.get_tenant'")
    try:
        found: object = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"{setting}: {path!r} cannot be imported ({error})") from error
    return found
