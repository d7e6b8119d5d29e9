"""A server that is told to stop leaves a complete log and no status behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import pytest

from policy_middleware import PolicyEnforcer
from policy_middleware.decision_log.verify_log import verify
from policy_middleware.stores.opening import open_store
from tests.conftest import RedisPlace
from tests.decision_log.sealed import KEY
from tests.servers import free_port
from tests.waiting import eventually

STARLETTE = """
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from policy_middleware.attributes import const
    from policy_middleware_starlette import PolicyMiddleware

    async def hello(request):
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/", hello)])
    app.add_middleware(PolicyMiddleware, tenant=const("acme"), subject=const("ana"), roles=const("reader"))
"""
WITHOUT_LIFESPAN = """
    from policy_middleware.asgi import PolicyMiddleware
    from policy_middleware.attributes import const

    async def hello(scope, receive, send):
        if scope["type"] != "http":
            raise ValueError("this application knows HTTP only")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    app = PolicyMiddleware(hello, tenant=const("acme"), subject=const("ana"), roles=const("reader"))
"""
DJANGO = """
    from django.conf import settings
    from django.http import HttpResponse
    from django.urls import path
    from policy_middleware.attributes import const

    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="a test",
        MIDDLEWARE=["policy_middleware_django.PolicyMiddleware"],
        POLICY_MIDDLEWARE={"TENANT": const("acme"), "SUBJECT": const("ana"), "ROLES": const("reader")},
    )
    urlpatterns = [path("", lambda request: HttpResponse("hello"))]

    from policy_middleware_django.asgi import get_asgi_application

    app = get_asgi_application()
"""
POLICY = {"schema": 1, "default": "allow", "rules": []}


@pytest.mark.parametrize(
    ("app", "stop"),
    [
        (STARLETTE, signal.SIGTERM),
        (STARLETTE, signal.SIGINT),
        (WITHOUT_LIFESPAN, signal.SIGTERM),
        (DJANGO, signal.SIGTERM),
    ],
    ids=["Starlette", "Starlette, interrupted", "an app without lifespan", "Django"],
)
def test_uvicorn_told_to_stop_leaves_everything_in_order(
    tmp_path: Path, clean_redis: RedisPlace, app: str, stop: signal.Signals
) -> None:
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        enforcer.publish("acme", POLICY)
    (tmp_path / "main.py").write_text(textwrap.dedent(app))
    log, port = tmp_path / "decisions.jsonl", free_port()
    environment = {
        **os.environ,
        "POLICY_STORE_URL": clean_redis.url,
        "POLICY_KEY_PREFIX": clean_redis.key_prefix,
        "POLICY_DECISION_LOG": f"file://{log}",
        "POLICY_DECISION_LOG_KEY": KEY.hex(),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port), "--log-level", "error"],
        cwd=tmp_path,
        env=environment,
    )
    try:
        eventually(lambda: _answers(port, server), timeout=30)
        store = open_store(clean_redis.url, key_prefix=clean_redis.key_prefix)
        eventually(lambda: store.reports("acme"))
    finally:
        server.send_signal(stop)
        server.wait(20)
    assert store.reports("acme") == []
    store.close()
    lines = log.read_bytes().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["decision", "log_closed"]
    assert any("complete" in sentence for sentence in verify(lines, [KEY]).proved)


def _answers(port: int, server: subprocess.Popen[bytes]) -> bool:
    assert server.poll() is None
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
