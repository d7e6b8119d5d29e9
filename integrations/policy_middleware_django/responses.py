"""Responses that Django has made, masked or replaced without losing the object.

Cookies, closers and what a test client notes on a response hang on the object, so it is never rebuilt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from http import HTTPStatus
from http.client import responses as phrases
from itertools import chain, islice
from typing import Final, cast

from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from policy_middleware.masking import BrokenOff, MaskedResponse, ResponseMask
from policy_middleware.model.errors import MaskError
from policy_middleware.responses import Headers, Response
from policy_middleware.steps import ProceedMasked, RespondStream

OFF_LOOP_BYTES: Final = 32 * 1024
"""Bodies from this size on are masked in a worker thread; smaller ones take less than the hop does."""


def own_response(response: Response) -> HttpResponse:
    """Return a response of the package's own as Django's."""
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))


def own_stream(step: RespondStream) -> StreamingHttpResponse:
    """Return a page of the package's own that goes on as Django's."""
    return StreamingHttpResponse(step.parts(), status=step.status, headers=dict(step.headers))


def mask(step: ProceedMasked, response: HttpResponseBase, *, by_asgi: bool) -> None:
    """Mask a response in place, or refuse it in place without one byte of the original."""
    try:
        whole = not isinstance(response, StreamingHttpResponse)
        step.mask.open(response.status_code, list(response.items()), whole=whole)
        if not isinstance(response, StreamingHttpResponse):
            step.mask.feed(_content(response))
        elif not step.mask.streams:
            if response.is_async:
                async_to_sync(_feed_async)(step.mask, response)
            else:
                _feed(step.mask, cast(Iterable[bytes], response.streaming_content))
        elif by_asgi:
            async_to_sync(_begin_async)(step, response)
            return
        else:
            _begin(step, response)
            return
        masked = step.mask.close()
    except MaskError as error:
        replace(response, step.refuse(error), by_asgi=by_asgi)
    else:
        _put(response, masked, step, by_asgi=by_asgi)


async def mask_async(step: ProceedMasked, response: HttpResponseBase) -> None:
    """Do what `mask` does, without holding the event loop."""
    try:
        whole = not isinstance(response, StreamingHttpResponse)
        step.mask.open(response.status_code, list(response.items()), whole=whole)
        if isinstance(response, StreamingHttpResponse):
            if step.mask.streams:
                await _begin_async(step, response)
                return
            if response.is_async:
                await _feed_async(step.mask, response)
            else:
                # A synchronous stream may read the database, which is bound to this thread.
                chunks = cast(Iterable[bytes], response.streaming_content)
                await sync_to_async(_feed, thread_sensitive=True)(step.mask, chunks)
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
    response.cookies.clear()
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


def _feed(mask: ResponseMask, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        mask.feed(chunk)


async def _feed_async(mask: ResponseMask, response: StreamingHttpResponse) -> None:
    async for chunk in cast(AsyncIterator[bytes], response.streaming_content):
        mask.feed(chunk)


def _begin(step: ProceedMasked, response: StreamingHttpResponse) -> None:
    """Let a synchronous stream go on masked, once its first chunk has been; raises MaskError before."""
    if response.is_async:
        collected = async_to_sync(_collected)(cast(AsyncIterator[bytes], response.streaming_content))
        chunks = iter(collected)
    else:
        chunks = iter(cast(Iterable[bytes], response.streaming_content))
    first = [step.mask.feed(chunk) for chunk in islice(chunks, 1)]
    _put_head(response, step)
    response.streaming_content = filter(None, chain(first, _following(step, chunks)))


def _following(step: ProceedMasked, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the masked rest of a stream; raises BrokenOff for what cannot be masked."""
    try:
        for chunk in chunks:
            yield step.mask.feed(chunk)
        masked = step.mask.close()
    except MaskError as error:
        step.refuse(error)
    else:
        step.masked(masked.report)
        yield masked.body
        return
    raise BrokenOff


async def _begin_async(step: ProceedMasked, response: StreamingHttpResponse) -> None:
    """Let a stream of either kind go on masked, once its first chunk has been; raises MaskError before."""
    if response.is_async:
        chunks = aiter(cast(AsyncIterator[bytes], response.streaming_content))
    else:
        chunks = _in_threads(iter(cast(Iterable[bytes], response.streaming_content)))
    first = [await _fed(step.mask, chunk) async for chunk in _one_of(chunks)]
    _put_head(response, step)
    response.streaming_content = _following_async(step, first, chunks)


async def _following_async(
    step: ProceedMasked, first: Iterable[bytes], chunks: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    for masked in filter(None, first):
        yield masked
    try:
        async for chunk in chunks:
            shown = await _fed(step.mask, chunk)
            if shown:
                yield shown
        rest = step.mask.close()
    except MaskError as error:
        step.refuse(error)
    else:
        step.masked(rest.report)
        if rest.body:
            yield rest.body
        return
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


def _put_headers(response: HttpResponseBase, headers: Headers) -> None:
    for name, _ in list(response.items()):
        del response.headers[name]
    for name, value in headers:
        response.headers[name] = value


def _put_body(response: HttpResponseBase, body: bytes, *, by_asgi: bool) -> None:
    if isinstance(response, StreamingHttpResponse):
        # Each kind of server warns about an iterator of the other kind.
        response.streaming_content = _once(body) if by_asgi else [body]
    elif isinstance(response, HttpResponse):
        response.content = body
    else:
        raise TypeError(
            f"a {type(response).__name__} cannot be held back; use HttpResponse or StreamingHttpResponse"
        )


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
