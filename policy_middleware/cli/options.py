"""Options that many commands share; each may also come from the environment."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from policy_middleware.cli.places import StorePlace
from policy_middleware.model.vocabulary import is_document_name, is_tenant_id
from policy_middleware.stores.keys import DEFAULT_KEY_PREFIX

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_STORE: Final = "redis://localhost:6379/0"


class SharedOption(click.Option):
    """An option that may stand before or after the name of the command; after it wins."""

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """Take the value given to the command, else to a group around it, else what click knows."""
        value, source = super().consume_value(ctx, opts)
        group = ctx.parent
        while source is not ParameterSource.COMMANDLINE and group is not None and self.name is not None:
            if group.get_parameter_source(self.name) is ParameterSource.COMMANDLINE:
                return group.params[self.name], ParameterSource.COMMANDLINE
            group = group.parent
        return value, source


def text(value: str) -> str:
    """Accept text that can be stored and shown again; undecodable bytes and blanks alone are usage errors."""
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise click.BadParameter("this is not valid UTF-8")
    if not value.strip():
        raise click.BadParameter("this is empty")
    return value


def _named(accepts: Callable[[str], bool], also: str) -> Callable[..., str | None]:
    def check(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
        if name is not None and not accepts(name):
            raise click.BadParameter(
                f"{name!r} is no tenant: 1-128 characters of A-Za-z0-9._:@- that do not start with '_'{also}"
            )
        return name

    return check


def is_document(name: str) -> str:
    """Return the name of a document, or end the command with a usage error."""
    checked = _DOCUMENT_NAME(None, None, name)
    assert checked is not None
    return checked


_DOCUMENT_NAME: Final = _named(is_document_name, " (nor is it _global, _incident or _default)")

_STORE = click.option(
    "--store",
    "store_url",
    cls=SharedOption,
    envvar="POLICY_STORE_URL",
    show_envvar=True,
    default=DEFAULT_STORE,
    show_default=True,
    metavar="URL",
    help="Where policies live.",
)
_KEY_PREFIX = click.option(
    "--key-prefix",
    cls=SharedOption,
    envvar="POLICY_KEY_PREFIX",
    show_envvar=True,
    default=DEFAULT_KEY_PREFIX,
    show_default=True,
    metavar="PREFIX",
    help="What every key in Redis begins with.",
)

output_option = click.option(
    "-o",
    "--output",
    cls=SharedOption,
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Text for people, or JSON for programs.",
)

document_option = click.option(
    "-t",
    "--tenant",
    cls=SharedOption,
    envvar="POLICYCTL_TENANT",
    show_envvar=True,
    metavar="NAME",
    callback=_DOCUMENT_NAME,
    help="The tenant, or _global, _incident or _default.",
)


def _tenant_option(*, required: bool) -> Callable[[Command], Command]:
    return click.option(
        "-t",
        "--tenant",
        cls=SharedOption,
        envvar="POLICYCTL_TENANT",
        show_envvar=True,
        metavar="TENANT",
        required=required,
        callback=_named(is_tenant_id, ""),
        help="The tenant.",
    )


tenant_option = _tenant_option(required=True)
optional_tenant_option = _tenant_option(required=False)

author_option = click.option(
    "--author",
    type=text,
    envvar="POLICYCTL_AUTHOR",
    show_envvar=True,
    default=lambda: operating_system_user(),
    show_default="your user name",
    help="Who does this.",
)
note_option = click.option("-m", "--note", type=text, help="Why; kept in the history.")
dry_run_option = click.option(
    "-n", "--dry-run", is_flag=True, help="Change nothing; exit with 6 when something would change."
)


def group_options(group: Command) -> Command:
    """Let a group take the options of its commands, for whoever writes them first."""
    return _STORE(_KEY_PREFIX(document_option(output_option(group))))


def store_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--store` and `--key-prefix`; the command receives both as `place`."""

    @_STORE
    @_KEY_PREFIX
    @wraps(command)
    def with_place(*args: Any, store_url: str, key_prefix: str, **options: Any) -> None:
        command(*args, place=StorePlace(store_url, key_prefix), **options)

    return with_place


def tenant_was_given() -> bool:
    """True when `--tenant` was written on the command line; the environment may be forgotten about."""
    return click.get_current_context().get_parameter_source("tenant") is ParameterSource.COMMANDLINE


def name_and_rest(
    words: Sequence[str], rest: Sequence[str], tenant: str | None
) -> tuple[str | None, list[str]]:
    """Split the arguments `[NAME] REST...` of a command; `rest` holds what each of REST is called.

    The name may come from `--tenant` instead; two different names are a usage error.
    """
    context = click.get_current_context()
    if len(words) not in (len(rest), len(rest) + 1):
        wanted = " ".join(("[NAME]", *rest))
        raise click.UsageError(f"give {wanted}, not {len(words)} arguments")
    if len(words) == len(rest):
        return tenant, list(words)
    name = is_document(words[0])
    if tenant is not None and tenant != name and tenant_was_given():
        raise click.UsageError(
            f"{context.command_path} {name!r} and --tenant {tenant!r} contradict each other"
        )
    return name, list(words[1:])


def required_name(name: str | None) -> str:
    """Return the document's name, or end the command with a usage error."""
    if name is None:
        command = click.get_current_context().command_path
        raise click.UsageError(
            f"which document? Write `{command} NAME ...`, --tenant NAME, or set POLICYCTL_TENANT"
        )
    return name


def operating_system_user() -> str:
    """Return the name of the user who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user: containers run under bare numbers
        return f"uid {os.getuid()}"
