"""`policyctl routes`: what an application serves, and which rules can touch it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, BinaryIO, Final

import click

from policy_middleware.authoring.coverage import rules_touching
from policy_middleware.cli.exit_codes import ExitCode
from policy_middleware.cli.options import optional_tenant_option, output_option, store_options
from policy_middleware.cli.output import counted, note, print_json, print_table
from policy_middleware.cli.places import StorePlace
from policy_middleware.model.context import AttributeValue
from policy_middleware.model.documents import parse_document
from policy_middleware.model.policy import PolicyDocument
from policy_middleware.model.vocabulary import DEFAULT, GUARDRAILS
from policy_middleware.routing import ListedRoute

_LISTINGS: Final = {
    "starlette": "policy_middleware_starlette.listing",
    "fastapi": "policy_middleware_starlette.listing",
    "flask": "policy_middleware_flask.listing",
    "django": "policy_middleware_django.listing",
}
"""By the package that an application's class, or one of its bases, comes from."""


@click.command()
@click.argument("app")
@click.option("--policy", type=click.File("rb"), help="Judge by this document instead of those of the store.")
@click.option("--fail-on-uncovered", is_flag=True, help="Exit with 6 when only a default decides some route.")
@optional_tenant_option
@store_options
@output_option
def routes(
    app: str,
    policy: BinaryIO | None,
    fail_on_uncovered: bool,
    tenant: str | None,
    place: StorePlace,
    output: str,
) -> None:
    """List every route of APP with its action, tags and the rules that can touch it.

    APP is `module:application` (or `module:create_app()`) of a FastAPI, Starlette or Flask application, or
    the settings module of a Django project. Rules are those of --policy, or with --tenant those of the store,
    guardrails included.
    A route is covered when it is exempt or some rule can touch it.
    """
    listed = list_routes(app)
    documents = _documents(policy, tenant, place)
    rows = [_row(route, documents) for route in listed]
    if output == "json":
        print_json(rows)
    else:
        print_table(
            ("method", "route", "action", "resource", "tags", "rules"),
            (
                (
                    row["method"],
                    row["route"],
                    row["action"],
                    row["resource"],
                    ", ".join(_texts(row["tags"])),
                    "exempt"
                    if row["exempt"]
                    else "\n".join(_texts(row["rules"])) or ("-" if documents else ""),
                )
                for row in rows
            ),
            empty="the application has no routes",
        )
    uncovered = [row for row in rows if not row["covered"]]
    if documents and uncovered:
        note(f"{counted(len(uncovered), 'route')} of {len(rows)} decided by a default only")
    if fail_on_uncovered:
        if not documents:
            raise click.UsageError(
                "--fail-on-uncovered needs rules to judge by: --policy FILE or --tenant NAME"
            )
        if uncovered:
            sys.exit(ExitCode.WOULD_CHANGE_OR_BE_DENIED)


def known_actions(app: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the actions and the tags that the routes of an application have."""
    listed = list_routes(app)
    actions = frozenset(route.policy.action for route in listed)
    return actions, frozenset(tag for route in listed for tag in route.policy.tags)


def list_routes(app: str) -> list[ListedRoute]:
    """Import an application by its name and return its routes, or end the command with a usage error."""
    with loaded_application(app) as (listing, target):
        found: list[ListedRoute] = listing.list_routes(target)
    return found


@contextmanager
def loaded_application(app: str) -> Iterator[tuple[ModuleType, object]]:
    """Import an application by its name, such as `shop:app` or `shop:create_app()`.

    Yields the listing module of its framework and the application: None for Django, which is named by its
    settings. What cannot be imported, then or in the block, is a usage error.
    """
    module, _, attribute = app.partition(":")
    sys.path.insert(0, os.getcwd())  # as uvicorn, gunicorn and flask do
    try:
        if not attribute:
            os.environ["DJANGO_SETTINGS_MODULE"] = module
            importlib.import_module(module)
            yield importlib.import_module(_LISTINGS["django"]), None
            return
        target: Any = importlib.import_module(module)
        for name in attribute.split("."):
            target = getattr(target, name.removesuffix("()"))
            if name.endswith("()"):
                target = target()
        yield importlib.import_module(_listing_of(target, app)), target
    except (ImportError, AttributeError) as error:
        raise click.UsageError(f"{app}: cannot be imported ({error})") from error
    finally:
        sys.path.pop(0)


def _listing_of(target: object, app: str) -> str:
    for base in type(target).__mro__:
        framework = base.__module__.partition(".")[0]
        if framework in _LISTINGS:
            return _LISTINGS[framework]
    raise click.UsageError(
        f"{app}: a {type(target).__name__} is no FastAPI, Starlette, Flask or Django application"
    )


def _documents(policy: BinaryIO | None, tenant: str | None, place: StorePlace) -> list[PolicyDocument]:
    if policy is not None:
        return [parse_document(policy.read(), name=tenant or DEFAULT)]
    if tenant is None:
        return []
    names = [*GUARDRAILS, tenant]
    with place.store() as store:
        bodies = store.read(names).bodies
    return [parse_document(body, name=name) for name in names if (body := bodies[name]) is not None]


def _row(route: ListedRoute, documents: Iterable[PolicyDocument]) -> dict[str, object]:
    policy = route.policy
    known: dict[str, AttributeValue] = {**policy.attributes, "http.method": route.method}
    touching = [
        rule.id if document.name not in GUARDRAILS else f"{rule.id} ({document.name})"
        for document in documents
        for rule in rules_touching(document, known)
    ]
    return {
        "method": route.method,
        "route": policy.template + (" (mounted application)" if route.opaque else ""),
        "action": policy.action,
        "resource": policy.resource_type,
        "tags": list(policy.tags),
        "exempt": policy.exempt,
        "rules": touching,
        "covered": policy.exempt or bool(touching),
    }


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
