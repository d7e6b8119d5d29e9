"""Build the wheel and import each package in an empty environment beside its own framework only."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

PACKAGES_OF_EXTRA: Final[dict[str, tuple[str, ...]]] = {
    "": ("policy_middleware",),
    "starlette": ("policy_middleware", "policy_middleware_starlette"),
    "fastapi": ("policy_middleware", "policy_middleware_starlette", "policy_middleware_fastapi"),
    "django": ("policy_middleware", "policy_middleware_django"),
    "flask": ("policy_middleware", "policy_middleware_flask"),
}
"""What must import in an environment that holds the wheel with one extra, and nothing else."""

EXTRA_OF_PACKAGE: Final = {
    "policy_middleware_starlette": "starlette",
    "policy_middleware_fastapi": "fastapi",
    "policy_middleware_django": "django",
    "policy_middleware_flask": "flask",
}

IMPORT_EVERY_MODULE: Final = """
import importlib, pkgutil, policy_middleware
from policy_middleware.model.errors import MissingExtra
for module in pkgutil.walk_packages(policy_middleware.__path__, "policy_middleware."):
    if ".cli." in module.name or module.name.endswith((".__main__", ".pytest_plugin")):
        continue  # behind the doors of the command line, which is tried below, and of pytest
    try:
        importlib.import_module(module.name)
    except MissingExtra as missing:
        print(f"           {module.name}: {missing}")
"""
"""Any other ImportError than one that names its extra is a defect."""


USE_OF_EXTRA: Final = {
    "cli": "from policy_middleware.cli import main; main(['--version'])",
    "jwt": """
from policy_middleware.attributes import jwt_bearer
jwt_bearer("a secret of at least thirty-two bytes", issuer="i", audience="a", algorithms=["HS256"])
""",
    "embedded": """
import os, tempfile
os.environ["PATH"] = ""  # where a Redis server may be, which would serve as well
from policy_middleware import PolicyEnforcer
with tempfile.TemporaryDirectory() as directory:
    PolicyEnforcer.from_url(f"embedded://{directory}/store").close()
""",
    "mask": """
from policy_middleware.masking import recognize
assert recognize("jo@example.com", ["EMAIL_ADDRESS"])
""",
    "codecs": """
from policy_middleware.masking import Masker
packed = bytes.fromhex("81a161a162")
assert Masker.from_spec({"fields": {"a": "redact"}}).mask(packed, "application/msgpack").count == 1
""",
    "crypto": """
from policy_middleware.masking import Masker
masker = Masker.from_spec({"fields": {"a": "encrypt"}}, tenant_key=b"0123456789abcdef")
assert masker.mask(b'{"a": "b"}', "application/json").count == 1
""",
    "console": """
from policy_middleware.asgi import PolicyMiddleware
from policy_middleware.attributes import const
PolicyMiddleware(None, store_url="memory://", tenant=const("acme"), approver=lambda scope: None, inbox=True)
""",
    "client": "from policy_middleware.client import ApprovalAdapter; import httpx2",
    "webhooks": """
from policy_middleware import PolicyEnforcer
secret = "whsec_" + "c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMsIG5vdCBsZXNz"
PolicyEnforcer.from_url(
    "memory://", approval_webhook="https://hooks.example/", approval_webhook_secret=secret
).close()
""",
    "otel": """
from policy_middleware import PolicyEnforcer
PolicyEnforcer.from_url("memory://", decision_log="otel").close()
""",
}
"""Programs that need an extra: they work with `all`; in the core alone, one line names the extra."""


DATA: Final = ("console/templates/", "console/static/")
"""Folders of `policy_middleware` that hold no Python, and every file of which has to be shipped."""


def check_data(wheel: Path) -> None:
    """Exit when a template, style sheet or script of the checkout is not in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    package = ROOT / "policy_middleware"
    for folder in DATA:
        wanted = {str(file.relative_to(ROOT)) for file in (package / folder).rglob("*") if file.is_file()}
        if not wanted or wanted - shipped:
            sys.exit(f"{wheel.name} lacks of {folder}: {sorted(wanted - shipped) or 'everything'}")
        print(f"{folder:<20} {len(wanted)} files")


def build_wheel(directory: Path) -> Path:
    """Build the wheel of this checkout into `directory` and return its path."""
    run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory), str(ROOT)
    )
    (wheel,) = directory.glob("policy_middleware-*.whl")
    return wheel


def run(*command: str) -> str:
    """Run a command away from the checkout; return its output, or exit with everything it said."""
    done = subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nexited with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_environment(wheel: Path, extra: str, directory: Path) -> None:
    """Install `wheel` with one `extra`; import what must work and see the rest refuse in one line."""
    venv.create(directory, with_pip=True)
    python = str(directory / "bin" / "python")
    requirement = f"{wheel}[{extra}]" if extra else str(wheel)
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement)
    packages = PACKAGES_OF_EXTRA[extra]
    run(python, "-c", "; ".join(f"import {package}" for package in packages))
    print(run(python, "-c", IMPORT_EVERY_MODULE), end="")
    for package, missing in EXTRA_OF_PACKAGE.items():
        if package not in packages:
            expect_missing_extra(missing, python, "-c", f"import {package}")
    if not extra:
        expect_missing_extra("cli", str(directory / "bin" / "policyctl"), "--help")
        for needed, use in USE_OF_EXTRA.items():
            expect_missing_extra(needed, python, "-c", use)


def check_all(wheel: Path, directory: Path) -> None:
    """Install `wheel` with every extra and use each."""
    venv.create(directory, with_pip=True)
    python = str(directory / "bin" / "python")
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[all]")
    for use in USE_OF_EXTRA.values():
        run(python, "-W", "error", "-c", use)


def expect_missing_extra(extra: str, *command: str) -> None:
    """Run what needs an extra that is not there: its last line must name the extra to install."""
    done = subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True, text=True, check=False)
    last_line = done.stderr.strip().rpartition("\n")[2]
    if done.returncode == 0 or f"policy-middleware[{extra}]" not in last_line:
        sys.exit(f"{' '.join(command)}\nshould name the missing extra {extra}, but said:\n{done.stderr}")


def main() -> None:
    """Check every extra in an environment of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build_wheel(Path(scratch))
        print(f"built {wheel.name}")
        check_data(wheel)
        for extra in PACKAGES_OF_EXTRA:
            check_environment(wheel, extra, Path(scratch) / f"environment-{extra or 'core'}")
            print(f"{extra or 'core':<10} imports {', '.join(PACKAGES_OF_EXTRA[extra])}")
        check_all(wheel, Path(scratch) / "environment-all")
        print(f"all        {', '.join(USE_OF_EXTRA)} work, and are missed by name in the core")


if __name__ == "__main__":
    main()
