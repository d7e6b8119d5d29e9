"""Responses that Django has made, masked or replaced without losing the object.

Cookies, closers and what a test client notes on a response hang on the object, so it is never rebuilt.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from http import HTTPStatus
from http.client import responses as phrases
from itertools import islice
from typing import Final, cast

from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from policy_middleware.masking import BrokenOff, MaskedResponse, ResponseMask
from policy_middleware.model.errors import MaskError
from policy_middleware.responses import Headers, Response
from policy_middleware.steps import ProceedMasked, RespondStream
from policy_middleware_django.request import close_input, is_asgi

log: Final = logging.getLogger("policy_middleware")

_RAISED: Final = "the application raised before its response was complete"

OFF_LOOP_BYTES: Final = 32 * 1024
"""Bodies from this size on are masked in a worker thread; smaller ones take less than the hop does."""


def own_response(response: Response) -> HttpResponse:
    """Return a response of the package's own as Django's."""
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))


def own_stream(step: RespondStream) -> StreamingHttpResponse:
    """Return a page of the package's own that goes on as Django's."""
    return StreamingHttpResponse(step.parts(), status=step.status, headers=dict(step.headers))


def mask(step: ProceedMasked, response: HttpResponseBase, request: HttpRequest) -> None:
    """Mask a response in place, or refuse it in place without one byte of the original."""
    by_asgi = is_asgi(request)
    try:
        _open(step, response)
        if not isinstance(response, StreamingHttpResponse):
            step.mask.feed(_content(response))
        elif step.mask.streams:
            if by_asgi:
                async_to_sync(_begin_async)(step, response, request)
            else:
                _begin(step, response)
            return
        elif response.is_async:
            async_to_sync(_feed_async)(step, response)
        else:
            _feed(step, cast(Iterable[bytes], response.streaming_content))
        masked = step.mask.close()
    except MaskError as error:
        replace(response, step.refuse(error), by_asgi=by_asgi)
    else:
        _put(response, masked, step, by_asgi=by_asgi)


async def mask_async(step: ProceedMasked, response: HttpResponseBase, request: HttpRequest) -> None:
    """Do what `mask` does, without holding the event loop."""
    try:
        _open(step, response)
        if isinstance(response, StreamingHttpResponse):
            if step.mask.streams:
                await _begin_async(step, response, request)
                return
            if response.is_async:
                await _feed_async(step, response)
            else:
                # A synchronous stream may read the database, which is bound to this thread.
                chunks = cast(Iterable[bytes], response.streaming_content)
                await sync_to_async(_feed, thread_sensitive=True)(step, chunks)
            masked = await sync_to_async(step.mask.close, thread_sensitive=False)()
        else:
            content = _content(response)
            step.mask.feed(content)
            if len(content) < OFF_LOOP_BYTES:
                masked = step.mask.close()
            else:
                masked = await sync_to_async(step.mask.close, thread_sensitive=False)()
    except MaskError as error:
        replace(response, step.refuse(error), by_asgi=True)
    except asyncio.CancelledError:
        step.masked(step.mask.abandon())
        raise
    else:
        _put(response, masked, step, by_asgi=True)


def like_get(step: ProceedMasked) -> ProceedMasked:
    """Return the step for a HEAD request, whose body the server drops.

    Django answers HEAD with the body of the GET, and CommonMiddleware declares its length: so that has to be
    the length of the masked body, and not none at all.
    """
    return dataclasses.replace(step, mask=step.mask.like_get())


def replace(response: HttpResponseBase, by: Response, *, by_asgi: bool) -> None:
    """Turn a response into another one; nothing of the original is left but what closes it."""
    response.status_code = by.status
    response.reason_phrase = HTTPStatus(by.status).phrase
    _put_body(response, by.body, by_asgi=by_asgi)
    _put_headers(response, by.headers)


def deny_page(response: HttpResponseBase, denied: Response) -> None:
    """Give the page of `handler403` what makes it a denial, whatever the handler said."""
    if response.status_code != denied.status:
        response.status_code = denied.status
        response.reason_phrase = HTTPStatus(denied.status).phrase
    for name, value in denied.headers:
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value


def _open(step: ProceedMasked, response: HttpResponseBase) -> None:
    _check_iteration(response)
    whole = not isinstance(response, StreamingHttpResponse)
    step.mask.open(response.status_code, _headers(response), whole=whole)


def _raised(error: Exception) -> MaskError:
    """Tell of an error in the application's stream, and return what refuses its response.

    Django would answer it outside of the middleware, where nobody masks what its page for developers shows.
    """
    log.error("the application raised while it made a response that is masked", exc_info=error)
    return MaskError(_RAISED)


def _feed(step: ProceedMasked, chunks: Iterable[bytes]) -> None:
    for chunk in _watched(chunks):
        step.mask.feed(chunk)


async def _feed_async(step: ProceedMasked, response: StreamingHttpResponse) -> None:
    async for chunk in _watched_async(cast(AsyncIterator[bytes], response.streaming_content)):
        step.mask.feed(chunk)


def _watched(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks of an application; an error of its own becomes a MaskError."""
    try:
        yield from chunks
    except Exception as error:  # noqa: BLE001 -- told with its traceback
        problem = _raised(error)
    else:
        return
    raise problem


async def _watched_async(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield chunk
    except Exception as error:  # noqa: BLE001 -- told with its traceback
        problem = _raised(error)
    else:
        return
    raise problem


class _Leaving:
    """What Django iterates over, of either kind, while a masked response leaves."""

    def __init__(self, step: ProceedMasked) -> None:
        self._step = step

    def close(self) -> None:
        """Record what was masked for a client that left; Django calls it at the end of every response."""
        self._step.masked(self._step.mask.abandon())


class _LeavingParts(_Leaving):
    def __init__(self, step: ProceedMasked, parts: Iterator[bytes]) -> None:
        super().__init__(step)
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self._parts


class _LeavingPartsAsync(_Leaving):
    def __init__(self, step: ProceedMasked, parts: AsyncIterator[bytes]) -> None:
        super().__init__(step)
        self._parts = parts

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._parts


def _begin(step: ProceedMasked, response: StreamingHttpResponse) -> None:
    """Let a synchronous stream go on masked, once its first chunk has been; raises MaskError before."""
    if response.is_async:
        collected = async_to_sync(_collected)(cast(AsyncIterator[bytes], response.streaming_content))
        chunks = iter(collected)
    else:
        chunks = _watched(cast(Iterable[bytes], response.streaming_content))
    first = [step.mask.feed(chunk) for chunk in islice(chunks, 1)]
    _put_head(response, step)
    response.streaming_content = _LeavingParts(step, filter(None, _following(step, first, chunks)))


def _following(step: ProceedMasked, first: Iterable[bytes], chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a masked stream; raises BrokenOff for what cannot be masked."""
    yield from first
    try:
        for chunk in chunks:
            yield step.mask.feed(chunk)
        rest = step.mask.close()
    except MaskError as error:
        step.refuse(error, step.mask.report())
    else:
        step.masked(rest.report)
        yield rest.body
        return
    raise BrokenOff


async def _begin_async(step: ProceedMasked, response: StreamingHttpResponse, request: HttpRequest) -> None:
    """Let a stream of either kind go on masked, once its first chunk has been; raises MaskError before."""
    if response.is_async:
        coming = cast(AsyncIterator[bytes], response.streaming_content)
    else:
        coming = _in_threads(iter(cast(Iterable[bytes], response.streaming_content)))
    chunks = _watched_async(coming)
    first = [await _fed(step.mask, chunk) async for chunk in _one_of(chunks)]
    _put_head(response, step)

    def close() -> None:
        # Under ASGI Django leaves open what it fails to send to the end, and the body of the request.
        if not response.closed:
            response.close()
        close_input(request)

    response.streaming_content = _LeavingPartsAsync(step, _following_async(step, first, chunks, close))


async def _following_async(
    step: ProceedMasked,
    first: Iterable[bytes],
    chunks: AsyncIterator[bytes],
    close: Callable[[], None],
) -> AsyncIterator[bytes]:
    """Yield a masked stream; for what cannot be masked it calls `close` and raises BrokenOff."""
    try:
        for masked in filter(None, first):
            yield masked
        async for chunk in chunks:
            shown = await _fed(step.mask, chunk)
            if shown:
                yield shown
        rest = step.mask.close()
    except MaskError as error:
        step.refuse(error, step.mask.report())
    except BaseException:  # the client has left, or the server stops
        step.masked(step.mask.abandon())
        await sync_to_async(close, thread_sensitive=True)()
        raise
    else:
        step.masked(rest.report)
        if rest.body:
            yield rest.body
        return
    await sync_to_async(close, thread_sensitive=True)()
    raise BrokenOff


async def _fed(mask: ResponseMask, chunk: bytes) -> bytes:
    if len(chunk) < OFF_LOOP_BYTES:
        return mask.feed(chunk)
    return await sync_to_async(mask.feed, thread_sensitive=False)(chunk)


async def _one_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk
        return


async def _in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    # A synchronous stream may read the database, which is bound to this thread.
    following = sync_to_async(partial(next, chunks, None), thread_sensitive=True)
    while (chunk := await following()) is not None:
        yield chunk


async def _collected(chunks: AsyncIterator[bytes]) -> list[bytes]:
    return [chunk async for chunk in chunks]


def _content(response: HttpResponseBase) -> bytes:
    if not isinstance(response, HttpResponse):
        raise MaskError(f"a {type(response).__name__} has no content that could be masked")
    return response.content


def _put(response: HttpResponseBase, masked: MaskedResponse, step: ProceedMasked, *, by_asgi: bool) -> None:
    # A reason phrase is the view's own words, which nobody masks.
    response.reason_phrase = phrases.get(masked.status, "Unknown Status Code")
    _put_body(response, masked.body, by_asgi=by_asgi)
    _put_headers(response, (*masked.headers, *step.headers))
    step.masked(masked.report)


def _put_head(response: HttpResponseBase, step: ProceedMasked) -> None:
    head = step.mask.head()
    response.reason_phrase = phrases.get(head.status, "Unknown Status Code")
    _put_headers(response, (*head.headers, *step.headers))


def _headers(response: HttpResponseBase) -> list[tuple[str, str]]:
    """Return the headers as servers send them: Django keeps cookies apart until then."""
    return [
        *response.items(),
        *(("Set-Cookie", morsel.OutputString()) for morsel in response.cookies.values()),
    ]


def _put_headers(response: HttpResponseBase, headers: Headers) -> None:
    """Let the response have these headers and no others; of its cookies, those that are among them stay."""
    cookies = {morsel.OutputString(): key for key, morsel in response.cookies.items()}
    kept = {cookies[value] for name, value in headers if name == "Set-Cookie" and value in cookies}
    for key in response.cookies.keys() - kept:
        del response.cookies[key]
    for name, _ in list(response.items()):
        del response.headers[name]
    for name, value in headers:
        if name != "Set-Cookie" or value not in cookies:
            response.headers[name] = value


def _put_body(response: HttpResponseBase, body: bytes, *, by_asgi: bool) -> None:
    _check_iteration(response)
    if getattr(response, "file_to_stream", None) is not None:
        response.file_to_stream = None  # type: ignore[attr-defined]  # Django sends that, and not the content
    if isinstance(response, StreamingHttpResponse):
        # Each kind of server warns about an iterator of the other kind.
        response.streaming_content = _once(body) if by_asgi else [body]
    elif isinstance(response, HttpResponse):
        response.content = body
    else:
        raise TypeError(
            f"a {type(response).__name__} cannot be held back; use HttpResponse or StreamingHttpResponse"
        )


def _check_iteration(response: HttpResponseBase) -> None:
    """Raise TypeError for a response that gives servers something else than its content."""
    kind = type(response)
    for method in (getattr(kind, "__iter__", None), getattr(kind, "__aiter__", None)):
        if method is not None and not method.__module__.startswith("django."):
            raise TypeError(
                f"a {kind.__name__} iterates in a way of its own and cannot be held back; "
                "override what makes its content instead"
            )


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
