"""The Flask extension: it decides right before the view, and watches over what leaves the app."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Request, current_app, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from policy_middleware.gate import Gate, build_gate
from policy_middleware.start_up import Remark, log_remarks
from policy_middleware.steps import FinalStep, Proceed, ProceedMasked, Respond, drive
from policy_middleware.wsgi import EnvironView, is_decided, mark_decided
from policy_middleware.wsgi_input import INPUT, KeptInput, has_body, keep_input, read_body
from policy_middleware_flask import start_up
from policy_middleware_flask.passage import Passage
from policy_middleware_flask.request import FlaskView, take_unmaskable
from policy_middleware_flask.routes import RoutePolicies, check_routes
from policy_middleware_flask.signals import forward, policy_decided

EXTENSION: Final = "policy_middleware"
"""Where `app.extensions` keeps the Guard of an app."""

CONFIG_PREFIX: Final = "POLICY_"


class PolicyMiddleware:
    """Decide every request of a Flask app right before its view, after the app's own before_request hooks.

    Settings come from `app.config` (`POLICY_TENANT`, `POLICY_STORE_URL`, ...) or as keyword arguments, which
    win. One extension may serve several apps, each with its own settings; `app.extensions` keeps their state.
    Raises SettingsError.
    """

    def __init__(self, app: Flask | None = None, **options: object) -> None:
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Put an app under policy; call it after WSGI middlewares that rewrite methods or paths."""
        settings = {**app.config.get_namespace(CONFIG_PREFIX), **self._options}
        guard = Guard(app, build_gate(settings))
        app.extensions[EXTENSION] = guard
        forward(guard.gate.enforcer, app)


class Guard:
    """Policy around one app: outside, at its `wsgi_app`, and inside, right before its views."""

    def __init__(self, app: Flask, gate: Gate) -> None:
        check_routes(app, gate.settings.prefix)
        self.gate: Final = gate
        self._routes = RoutePolicies(gate.routes)
        self._looked_over = False
        self._passage_key = f"policy_middleware.flask.{id(self):x}"
        self._wsgi_app = app.wsgi_app
        self._dispatch_request = app.dispatch_request
        # Both are what Flask documents for wrapping and overriding. Of all places only dispatch_request comes
        # after every hook that may find out who is asking and before everything that a route can run.
        app.wsgi_app = partial(self.answer, app)  # type: ignore[method-assign]  # the documented way to wrap
        app.dispatch_request = self.dispatch  # type: ignore[method-assign]  # as above

    def answer(self, app: Flask, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request as the app's `wsgi_app`."""
        gate = self.gate
        if not self._looked_over:
            # Routes, hooks and wrappers may be added until the first request.
            check_routes(app, gate.settings.prefix)
            self._looked_over = True
            log_remarks(self.remarks(app))
        if is_decided(environ, gate):
            return self._wsgi_app(environ, start_response)
        if has_body(environ):
            keep_input(environ, gate.settings.max_body)
        passage = Passage(environ, start_response, self._undecided)
        environ[self._passage_key] = passage
        return passage.run(self._wsgi_app)

    def dispatch(self, *context: object) -> ResponseReturnValue:
        """Decide the current request and dispatch it, as the app's `dispatch_request`.

        Flask 3.2 hands over its context; earlier releases hand over nothing.
        """
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # a LocalProxy has it
        current: Request = request._get_current_object()  # type: ignore[attr-defined]  # as above
        environ, rule = current.environ, current.url_rule
        if self.gate.owns(current.path):
            view = FlaskView(current, None)
        elif rule is None or is_decided(environ, self.gate):
            # Without a rule this raises the 404, the 405 or the redirect that the router found.
            return self._dispatch_request(*context)
        else:
            view = FlaskView(current, self._routes.of(app, rule, current.method))
        step = self.gate.open(view)
        final = step if isinstance(step, Proceed) else drive(step, partial(read_body, environ))
        kept = environ.get(INPUT)
        if isinstance(kept, KeptInput):
            kept.forget()
        if final.decision is not None and policy_decided.receivers:
            policy_decided.send(app, decision=final.decision)
        passage: Passage | None = environ.get(self._passage_key)
        if isinstance(final, Respond):
            return _refusal(final, passage, app)
        if isinstance(final, ProceedMasked):
            if passage is None:
                raise RuntimeError(
                    "this request is to be masked, which happens in app.wsgi_app; call the app itself"
                )
            passage.taken = take_unmaskable(current)
        if passage is not None:
            passage.final = final
        if final.decision is not None:
            mark_decided(environ, self.gate)
        return self._dispatch_request(*context)

    def remarks(self, app: Flask) -> Iterator[Remark]:
        """Remark on where the policy stands in the complete app."""
        return start_up.inspect(app, self.gate.settings, self._wsgi_app)

    def _undecided(self, environ: WSGIEnvironment) -> FinalStep:
        """Say what becomes of a successful response that no decision of this guard preceded."""
        view = EnvironView(environ)
        if self.gate.exempts(view.path) or is_decided(environ, self.gate):
            return Proceed(None)
        return self.gate.undecided(view)


def _refusal(final: Respond, passage: Passage | None, app: Flask) -> ResponseReturnValue:
    """Return the answer in place of the view's; for people it is the app's own page for 403."""
    if passage is not None:
        passage.final = Proceed(final.decision)
    if final.html and final.decision is not None:
        if passage is not None:
            passage.denied_page = final
        raise Forbidden(final.decision.reason)
    answer = final.response
    return app.response_class(answer.body, answer.status, list(answer.headers))
