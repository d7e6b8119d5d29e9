"""What an import needs: the core lives on pydantic and redis, an integration on its own framework."""

from __future__ import annotations

import subprocess
import sys

import pytest

CORE_DISTRIBUTIONS = {
    "annotated_types",
    "async_timeout",
    "hiredis",
    "jwt",
    "pydantic",
    "pydantic_core",
    "redis",
    "typing_extensions",
    "typing_inspection",
}
"""pydantic, redis and what these two bring or use when it is there."""

BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=False)


def test_core_imports_nothing_but_pydantic_and_redis() -> None:
    before = "import sys; before = set(sys.modules)\n"
    report = (
        "import policy_middleware; print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = python(before + report)
    assert done.returncode == 0, done.stderr
    third_party = set(done.stdout.split()) - set(sys.stdlib_module_names) - {"policy_middleware"}
    third_party = {name for name in third_party if not name.startswith("_")}
    assert third_party <= CORE_DISTRIBUTIONS


@pytest.mark.parametrize(
    ("package", "framework", "extra"),
    [
        ("policy_middleware_starlette", "starlette", "starlette"),
        ("policy_middleware_fastapi", "fastapi", "fastapi"),
        ("policy_middleware_django", "django", "django"),
        ("policy_middleware_flask", "flask", "flask"),
        ("policy_middleware.cli", "click", "cli"),
    ],
)
def test_missing_extra_is_named_in_one_line(package: str, framework: str, extra: str) -> None:
    done = python(BLOCK.format(blocked={framework}) + f"import {package}")
    last_line = done.stderr.strip().rpartition("\n")[2]
    assert done.returncode != 0
    assert f'pip install "policy-middleware[{extra}]"' in last_line


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
