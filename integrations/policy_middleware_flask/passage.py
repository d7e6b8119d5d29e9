"""The way of one request through a Flask app, from its environ to what leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from policy_middleware.steps import FinalStep, Proceed, ProceedMasked, Respond
from policy_middleware.wsgi import (
    Collected,
    ExcInfo,
    Write,
    close_body,
    send,
    status_line,
)

UndecidedAnswer = Callable[[WSGIEnvironment], FinalStep]
"""Says what becomes of a successful response that no decision preceded."""


class Passage:
    """Holds what was decided on one request, and sees to it that the response keeps to it.

    The decision falls inside the app, right before the view: until then `final` is None. A Respond in its
    place means that the app's own response must not leave.
    """

    __slots__ = (
        "_collected",
        "_environ",
        "_start_response",
        "_started",
        "_undecided",
        "denied_page",
        "final",
        "taken",
    )

    def __init__(
        self, environ: WSGIEnvironment, start_response: StartResponse, undecided: UndecidedAnswer
    ) -> None:
        self.final: FinalStep | None = None
        self.denied_page: Respond | None = None
        """A denial that the app's own error page renders."""
        self.taken: Mapping[str, object] = {}
        """What was taken from the environ because the response is masked."""
        self._environ = environ
        self._start_response = start_response
        self._undecided = undecided
        self._started = False
        self._collected: Collected | None = None

    def run(self, app: WSGIApplication) -> Iterable[bytes]:
        """Call the app and return what it returned, unless the decision demands something else."""
        try:
            body = app(self._environ, self.start_response)
            if not self._started:
                # A middleware between here and Flask starts its response only when it is iterated.
                body = _begun(body)
        except Exception as error:
            if not isinstance(self.final, ProceedMasked):
                raise
            self._environ.update(self.taken)
            return self._collects(self.final).refused(error)
        return body if isinstance(self.final, Proceed) else self._replaced(body)

    def start_response(self, status: str, headers: list[tuple[str, str]], *exc_info: ExcInfo) -> Write:
        """Start the response that the decision allows."""
        self._started = True
        if self.final is None:
            self.final = self._undecided(self._environ) if status.startswith("2") else Proceed(None)
        final = self.final
        if isinstance(final, ProceedMasked):
            return self._collects(final).start_response(status, headers, *exc_info)
        if isinstance(final, Respond):
            return _discard
        if self.denied_page is not None:
            status, headers = _page(self.denied_page, headers)
        return self._start_response(status, [*headers, *final.headers], *exc_info)

    def _collects(self, step: ProceedMasked) -> Collected:
        if self._collected is None:
            self._collected = Collected(step, self._environ, self._start_response)
        return self._collected

    def _replaced(self, body: Iterable[bytes]) -> Iterable[bytes]:
        final, collected = self.final, self._collected
        if isinstance(final, ProceedMasked) and collected is not None:
            answer = collected.answer(body)
            self._environ.update(self.taken)
            return answer
        close_body(body)
        if not isinstance(final, Respond):
            raise AssertionError("the application returned without calling start_response")
        return send(final.response, self._environ, self._start_response)


class _Begun:
    """An application's iterable whose first chunk has been taken and is given again."""

    def __init__(self, body: Iterable[bytes], chunks: Iterator[bytes]) -> None:
        self._body = body
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        close_body(self._body)


def _begun(body: Iterable[bytes]) -> _Begun:
    chunks = iter(body)
    try:
        first = list(islice(chunks, 1))
    except BaseException:
        close_body(body)
        raise
    return _Begun(body, chain(first, chunks))


def _page(denied: Respond, headers: list[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
    """Return status and headers of the app's page with what makes it a denial, whatever its handler said."""
    ours = {name.lower(): (name, value) for name, value in denied.response.headers}
    for name in ("content-type", "content-length"):
        ours.pop(name, None)
    kept = [header for header in headers if header[0].lower() not in ours]
    return status_line(denied.response.status), [*kept, *ours.values()]


def _discard(_: bytes) -> None:
    """Stand in for `write` of a response that does not leave."""
