"""`policyctl doctor`: what is wrong with a set-up, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict

import click

from policy_middleware.cli.exit_codes import ExitCode
from policy_middleware.cli.options import output_option, store_options
from policy_middleware.cli.output import print_json, print_table
from policy_middleware.cli.places import StorePlace
from policy_middleware.cli.routes import list_routes, loaded_application
from policy_middleware.cli.status import standings
from policy_middleware.start_up import Remark
from policy_middleware.stores.diagnosis import Diagnosis, Level, diagnose
from policy_middleware.stores.protocol import Store


@click.command()
@click.option("--app", metavar="MODULE:APP", help="Look this application over, too.")
@store_options
@output_option
def doctor(app: str | None, place: StorePlace, output: str) -> None:
    """Check the store, the documents, what processes made of them and, with --app, an application.

    Each finding says what to do. Exits with 6 when one of them is a problem.
    """
    with place.store() as store:
        findings = [*diagnose(store), *_documents(store)]
    if app is not None:
        findings += [*_routes(app), *_set_up(app)]
    if output == "json":
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(
            ("", "what", "finding", "remedy"),
            ((one.level.value, one.subject, one.finding, one.remedy) for one in findings),
            empty="",
        )
    if any(one.level is Level.PROBLEM for one in findings):
        sys.exit(ExitCode.WOULD_CHANGE_OR_BE_DENIED)


def _documents(store: Store) -> Iterator[Diagnosis]:
    found = standings(store)
    for one in found:
        if one.problem is not None:
            yield Diagnosis(
                Level.PROBLEM,
                f"document {one.name}",
                f"what is stored is not valid: {one.problem}",
                f"publish a valid one, or `policyctl rollback {one.name} REVISION`",
            )
        elif not one.settled:
            yield Diagnosis(
                Level.PROBLEM,
                f"document {one.name}",
                "some process has something else in force",
                f"`policyctl status {one.name}` names it; restart it if it stays behind",
            )
    valid = sum(one.stored is not None and one.problem is None for one in found)
    yield Diagnosis(Level.OK if valid else Level.WARNING, "documents", f"{valid} valid")


def _routes(app: str) -> Iterator[Diagnosis]:
    listed = list_routes(app)
    exempt = sorted({route.policy.template for route in listed if route.policy.exempt})
    opaque = sorted({route.policy.template for route in listed if route.opaque})
    yield Diagnosis(Level.OK, "routes", f"{len(listed)}, exempt are {', '.join(exempt) or 'none'}")
    if opaque:
        yield Diagnosis(
            Level.WARNING,
            "mounted applications",
            f"the routes below {', '.join(opaque)} are not known, so rules see one action for all of them",
            "name actions for them in the routes setting, or install the middleware in the mounted one",
        )


def _set_up(app: str) -> Iterator[Diagnosis]:
    """Say what each adapter says at start-up, and Django's system checks."""
    with loaded_application(app) as (framework, target):
        found: list[Remark] = list(framework.inspect_application(target))
    for remark in found:
        yield Diagnosis(Level.WARNING, remark.subject, remark.finding, remark.remedy)
    if not found:
        yield Diagnosis(Level.OK, "set-up", "the policy middleware stands where it belongs")
