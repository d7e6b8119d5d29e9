from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.running import POLICY, Shell, body
from tests.conftest import RedisPlace
from tests.servers import Server

ROOT = str(Path(__file__).parents[2])


def _findings(said: object) -> dict[str, str]:
    return {finding["subject"]: finding["level"] for finding in said.data}  # type: ignore[attr-defined]  # Said


def test_a_fit_store_has_no_problem(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    said = redis_shell("doctor", "-o", "json")
    assert said.code == 0, said.out
    findings = _findings(said)
    assert findings["version"] == findings["clock"] == findings["hot reload"] == findings["documents"] == "ok"


def test_an_empty_store_is_told_from_a_prepared_one(redis_shell: Shell) -> None:
    assert _findings(redis_shell("doctor", "-o", "json"))["marker"] == "warning"


def test_a_document_that_is_not_valid_is_a_problem(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    clean_redis.client.set(clean_redis.keys.doc("acme"), "nonsense")
    said = redis_shell("doctor")
    assert said.code == 6
    assert "rollback acme" in said.out


def test_a_store_that_evicts_policies_is_a_problem(shell: Shell, new_server: Callable[..., Server]) -> None:
    server = new_server("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    said = shell("doctor", "-o", "json", POLICY_STORE_URL=server.url)
    assert (said.code, _findings(said)["eviction"]) == (6, "problem")


def test_approvals_that_may_be_evicted_are_a_warning(shell: Shell, new_server: Callable[..., Server]) -> None:
    server = new_server("--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl")
    said = shell("doctor", "-o", "json", POLICY_STORE_URL=server.url)
    assert (said.code, _findings(said)["eviction"]) == (0, "warning")


def test_what_the_apps_user_lacks_is_named_and_nothing_is_changed(
    shell: Shell, new_server: Callable[..., Server]
) -> None:
    server = new_server()
    with server.client() as admin:
        before = admin.dbsize()
        said = shell("doctor", "-o", "json", POLICY_STORE_URL=server.url)
        assert _findings(said)["permissions"] == "ok"
        assert admin.dbsize() == before
        rules = (
            "on >pw resetkeys resetchannels -@all "
            "+@connection +@read +time +info +scan +zrem +hdel +@scripting "
            "%R~policy:doc:* %R~policy:meta %R~policy:status:* %R~policy:history:* ~policy:count:* "
            "&__redis__:invalidate"
        )
        admin.execute_command("ACL", "SETUSER", "limited", *rules.split())  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    said = shell("doctor", POLICY_STORE_URL=f"redis://limited:pw@127.0.0.1:{server.port}/0")
    assert (
        "this user may not write history, tell its status, write decision records, keep approvals" in said.out
    )
    assert "wake clients that wait, hear of approvals" in said.out


def test_a_store_that_is_away_is_told_in_one_sentence(shell: Shell) -> None:
    said = shell("doctor", "--store", "redis://127.0.0.1:1/0")
    assert said.code == 5
    assert len(said.err.strip().splitlines()) == 1


def test_an_application_is_looked_over_as_well(redis_shell: Shell) -> None:
    said = redis_shell.process(
        "doctor", "--app", "examples.fastapi_service:app", "-o", "json", PYTHONPATH=ROOT
    )
    assert said.code == 0, said.err
    assert _findings(said)["routes"] == "ok"


APP = """
from flask import Flask
from policy_middleware.attributes import header
from policy_middleware_flask import PolicyMiddleware

def create_app():
    app = Flask(__name__)
    PolicyMiddleware(app, tenant=header("X-Tenant-ID"), mode="observe")
    return app
"""


def test_what_is_told_at_start_up_is_told_by_the_doctor_too(redis_shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(APP)
    said = redis_shell.process(
        "doctor", "--app", "shop:create_app()", "-o", "json", PYTHONPATH=f"{tmp_path}:{ROOT}"
    )
    assert said.code == 0, said.err
    findings = _findings(said)
    assert findings["trusted_proxies"] == findings["mode"] == "warning"


def test_a_missing_extra_is_named_in_one_line(redis_shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "jwt.py").write_text("raise ImportError('not installed')")
    (tmp_path / "shop.py").write_text(
        "from policy_middleware.attributes import jwt_bearer\n"
        "identity = jwt_bearer('a secret of at least thirty-two bytes', "
        "issuer='i', audience='a', algorithms=['HS256'])\n"
    )
    said = redis_shell.process("doctor", "--app", "shop:app", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert said.code == 2
    assert 'pip install "policy-middleware[jwt]"' in said.err


DJANGO = """
SECRET_KEY = "of the tests"
ROOT_URLCONF = "urls"
MIDDLEWARE = ["policy_middleware_django.PolicyMiddleware", "django.middleware.gzip.GZipMiddleware"]
POLICY_MIDDLEWARE = {"TENANT": lambda request: "acme"}
"""


def test_a_django_project_is_looked_over_by_its_settings(redis_shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(DJANGO)
    (tmp_path / "urls.py").write_text("urlpatterns = []")
    said = redis_shell.process("doctor", "--app", "settings", "-o", "json", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert said.code == 0, said.err
    assert _findings(said)["W006"] == "warning"
