"""The service of `ENDPOINTS` in FastAPI: most of it in an included router, the mount in a mounted FastAPI."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, FastAPI

from policy_middleware_fastapi import PolicyMiddleware

from .app_asgi import AsgiService
from .app_starlette import ROUTED, Handlers, install
from .harness import Adapter, Expectations, Service, Setup


@dataclass(frozen=True)
class FastAPIOn:
    """FastAPI on one of the event loops."""

    backend: str
    expects: Expectations = ROUTED

    @property
    def name(self) -> str:
        return f"fastapi-{self.backend}"

    def build(self, setup: Setup) -> Service:
        journal: list[str] = []
        handlers = Handlers(journal)
        router = APIRouter()
        app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
        for path, endpoint, methods in handlers.routes:
            if methods is None:
                app.add_route(path, endpoint)
            else:
                router.add_api_route(path, endpoint, methods=[*methods, *_head(methods)], response_model=None)
        router.add_api_websocket_route("/ws/{room}", handlers.websocket)
        app.include_router(router)
        mounted = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
        mounted.add_api_route("/inner/{id}", handlers.inner, response_model=None)
        app.mount("/mounted", mounted)
        install(app, setup, journal, PolicyMiddleware)
        return AsgiService(app, journal, self.backend)


def _head(methods: list[str]) -> list[str]:
    # FastAPI, unlike Starlette, adds no HEAD to a GET.
    return ["HEAD"] if "GET" in methods else []


ADAPTERS: tuple[Adapter, ...] = (FastAPIOn("asyncio"), FastAPIOn("trio"))
