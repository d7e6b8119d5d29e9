"""Stand-ins for the programs that the pages call and that a machine with nothing but Python may lack."""

from __future__ import annotations

import argparse
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from importlib import metadata

import redis
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DISTRIBUTION = "policy-middleware"


def curl(arguments: list[str]) -> None:
    """Send one request, as `curl [-s] [-i] [-X METHOD] [-H HEADER]... [-d BODY] URL` does."""
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-i", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="body")
    parser.add_argument("url")
    given = parser.parse_args(arguments)
    url = given.url if "://" in given.url else f"http://{given.url}"
    body = None if given.body is None else given.body.encode()
    request = urllib.request.Request(url, body, method=given.method or ("GET" if body is None else "POST"))
    for header in given.headers:
        name, _, value = header.partition(":")
        request.add_header(name, value.strip())
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        if given.i:
            print(f"HTTP/1.1 {response.status} {response.reason}")
            for name, value in response.headers.items():
                print(f"{name.lower()}: {value}")
            print()
        print(response.read().decode())


def redis_cli(arguments: list[str]) -> None:
    """Send one command, as `redis-cli [-x] COMMAND...` does; -x reads its last argument from stdin."""
    parser = argparse.ArgumentParser(prog="redis-cli", allow_abbrev=False)
    parser.add_argument("-x", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    command: list[str | bytes] = [*given.command]
    if given.x:
        command.append(sys.stdin.buffer.read())
    with redis.Redis.from_url(os.environ["POLICY_STORE_URL"], protocol=2) as client:
        connection = client.connection_pool.get_connection()
        try:
            connection.send_command(*command)
            _print(connection.read_response())
        finally:
            client.connection_pool.release(connection)


def _print(reply: object) -> None:
    match reply:
        case None:
            print("(nil)")
        case bytes():
            print(reply.decode())
        case int():
            print(f"(integer) {reply}")
        case list():
            for number, part in enumerate(reply, 1):
                print(f"{number}) ", end="")
                _print(part)
        case _:
            print(reply)


def pip(arguments: list[str]) -> None:
    """Check, instead of installing, that every extra a page asks for exists."""
    known = set(metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or ())
    for argument in arguments[1:]:
        requirement = Requirement(argument)
        if canonicalize_name(requirement.name) == DISTRIBUTION and requirement.extras - known:
            sys.exit(f"{DISTRIBUTION} has no extra {', '.join(sorted(requirement.extras - known))}")


PROGRAMS: Mapping[str, Callable[[list[str]], None]] = {"curl": curl, "redis-cli": redis_cli, "pip": pip}


def main(name: str) -> None:
    """Run the stand-in for `name` with this process's arguments."""
    PROGRAMS[name](sys.argv[1:])
