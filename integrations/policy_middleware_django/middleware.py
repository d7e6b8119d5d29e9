"""The Django middleware, for synchronous and asynchronous handlers."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from policy_middleware.gate import Gate
from policy_middleware.steps import (
    AsyncFinalStep,
    FinalStep,
    Proceed,
    ProceedMasked,
    Respond,
    RespondStream,
    Step,
    drive,
    drive_async,
)
from policy_middleware.wsgi import DECIDED, is_decided, mark_decided
from policy_middleware_django.conf import SETTING, Installation, installations
from policy_middleware_django.request import (
    DjangoView,
    give_back,
    is_asgi,
    keep_form,
    read_body,
    take_unmaskable,
)
from policy_middleware_django.responses import (
    deny_page,
    like_get,
    mask,
    mask_async,
    own_response,
    own_stream,
    replace,
)
from policy_middleware_django.routes import View, is_below_static_url

GetResponse = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]

_PASSAGES: Final = "_policy_passages"
"""Attribute of a request: the Passage of each policy middleware."""


class Passage:
    """The way of one request through the middleware: what was decided, and on which view of the request."""

    __slots__ = ("denied_page", "final", "gate", "method", "routes", "taken", "view")

    def __init__(self, installation: Installation) -> None:
        self.gate = installation.gate
        self.routes = installation.routes
        self.final: FinalStep | None = None
        """None until a view was decided on."""
        self.view: DjangoView | None = None
        self.method: str | None = None
        self.denied_page: Respond | None = None
        """A denial that the project's handler403 renders."""
        self.taken: Mapping[str, object] = {}
        """What was taken from META because the response is masked."""


class PolicyMiddleware:
    """Decide every request right before its view.

    Belongs after AuthenticationMiddleware and inside whatever compresses, caches or answers conditional
    requests; `manage.py check` says when it is not. What no route matches is left to Django. Raises
    SettingsError at start-up for settings that cannot work.
    """

    sync_capable = True
    async_capable = True

    setting: ClassVar[str] = SETTING
    """The name of the settings dict; a subclass may read another one."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response: Final[Any] = get_response  # its kind is known by `_is_async` only
        self._is_async = iscoroutinefunction(get_response)
        self.process_view = self._process_view_async if self._is_async else self._process_view
        if self._is_async:
            markcoroutinefunction(self)
        self.gate  # noqa: B018 -- settings that cannot work are to stop the start

    @property
    def gate(self) -> Gate:
        """The gate that the settings of the moment make."""
        return installations[self.setting].gate

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request, at once or, under an asynchronous handler, when awaited."""
        if self._is_async:
            return self._answer_async(request)
        passage = self._enter(request)
        if passage.gate.owns(request.path_info):
            final = drive(passage.gate.open(_view(request, passage)), partial(read_body, request))
            if isinstance(final, Respond):
                return own_response(final.response)
        response: HttpResponseBase = self.get_response(request)
        self._settle(request, response, passage)
        if isinstance(passage.final, ProceedMasked):
            mask(passage.final, response, request)
        if passage.taken:
            give_back(request, passage.taken)
        return response

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        passage = self._enter(request)
        if passage.gate.owns(request.path_info):
            final = await self._drive_async(request, passage, _view(request, passage))
            if isinstance(final, RespondStream):
                return own_stream(final)
            if isinstance(final, Respond):
                return own_response(final.response)
        response: HttpResponseBase = await self.get_response(request)
        self._settle(request, response, passage)
        if isinstance(passage.final, ProceedMasked):
            await mask_async(passage.final, response, request)
        if passage.taken:
            give_back(request, passage.taken)
        return response

    def _process_view(
        self, request: HttpRequest, view_func: View, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> HttpResponseBase | None:
        """Decide before a synchronous handler's view."""
        passage = self._passage(request)
        if _is_decided(request, passage):
            return None
        view = _routed(request, passage, view_func, args, kwargs)
        step = passage.gate.open(view)
        final = step if isinstance(step, Proceed) else drive(step, partial(read_body, request))
        return self._proceed(request, passage, view, final)

    async def _process_view_async(
        self, request: HttpRequest, view_func: View, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> HttpResponseBase | None:
        """Decide before an asynchronous handler's view."""
        passage = self._passage(request)
        if _is_decided(request, passage):
            return None
        view = _routed(request, passage, view_func, args, kwargs)
        final = await self._drive_async(request, passage, view)
        return self._proceed(
            request, passage, view, final.instead if isinstance(final, RespondStream) else final
        )

    async def _drive_async(self, request: HttpRequest, passage: Passage, view: DjangoView) -> AsyncFinalStep:
        view.on_event_loop = True

        async def run_blocking(run: Callable[[], Step]) -> Step:
            # Sources may use the database, whose connections are bound to this thread.
            return await sync_to_async(run, thread_sensitive=True)()

        async def read(limit: int) -> bytes | None:
            return await sync_to_async(read_body, thread_sensitive=True)(request, limit)

        return await drive_async(passage.gate.open(view), read, run_blocking)

    def _enter(self, request: HttpRequest) -> Passage:
        """Begin the passage of a request, before any view is known."""
        passage = Passage(installations[self.setting])
        request.__dict__.setdefault(_PASSAGES, {})[self] = passage
        keep_form(request, passage.gate.settings.max_body)
        return passage

    def _passage(self, request: HttpRequest) -> Passage:
        passage: Passage | None = request.__dict__.get(_PASSAGES, {}).get(self)
        # Only a caller that is not Django's handler asks for a view before it hands the request over.
        return passage or self._enter(request)

    def _proceed(
        self, request: HttpRequest, passage: Passage, view: DjangoView, final: FinalStep
    ) -> HttpResponseBase | None:
        """Note what was decided, and return the response that stands in for the view's."""
        passage.view, passage.method, passage.final = view, request.method, final
        if isinstance(final, Respond):
            passage.final = Proceed(final.decision)
            if final.html and final.decision is not None:
                passage.denied_page = final
                raise PermissionDenied(final.decision.reason)
            return own_response(final.response)
        if isinstance(final, ProceedMasked):
            passage.taken = take_unmaskable(request)
            if view.method == "HEAD":
                passage.final = like_get(final)
        if final.decision is not None:
            mark_decided(request.META, passage.gate)
        return None

    def _settle(self, request: HttpRequest, response: HttpResponseBase, passage: Passage) -> None:
        """Hold the response to what was decided, but for masking."""
        final, view = passage.final, passage.view
        if final is None or view is None:
            final = _undecided(request, response, passage)
        elif final.decision is not None and request.method != passage.method:
            # A process_view further inside has rewritten the method, so another handler ran.
            ran = f"{request.method} {request.path_info}"
            final = Respond(final.decision, passage.gate.unverified(view, final.decision, ran))
        if isinstance(final, Respond):
            passage.final = final
            replace(response, final.response, by_asgi=is_asgi(request))
        elif isinstance(final, Proceed):
            if passage.denied_page is not None:
                deny_page(response, passage.denied_page.response)
            for name, value in final.headers:
                # A middleware further inside, with an enforcer of its own, has decided as well.
                earlier = response.headers.get(name)
                response.headers[name] = value if earlier is None else f"{earlier}, {value}"


def _undecided(request: HttpRequest, response: HttpResponseBase, passage: Passage) -> FinalStep:
    """Say what becomes of a response that was made without any view's being decided on."""
    may_leave = (
        not 200 <= response.status_code < 300
        or _is_decided(request, passage)
        or passage.gate.exempts(request.path_info)
        or is_below_static_url(request)
    )
    return Proceed(None) if may_leave else passage.gate.undecided(_view(request, passage))


def _is_decided(request: HttpRequest, passage: Passage) -> bool:
    if DECIDED not in request.META:
        return False
    # A rewritten method makes it another request than the one that META still describes.
    decided = is_decided(request.META, passage.gate)
    return decided and request.method == request.META.get("REQUEST_METHOD")


def _view(request: HttpRequest, passage: Passage) -> DjangoView:
    return DjangoView(request, uses_user=passage.gate.settings.identity is None)


def _routed(
    request: HttpRequest, passage: Passage, view_func: View, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> DjangoView:
    match = request.resolver_match
    route = passage.routes.of(request.method or "", "" if match is None else match.route, view_func)
    view = _view(request, passage)
    view.route, view.path_params = route.policy, route.parameters(args, kwargs)
    if route.is_static_view and is_below_static_url(request):
        view.route = dataclasses.replace(route.policy, exempt=True)
    return view
