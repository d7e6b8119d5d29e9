"""Running a function, or each test of a class, inside a context manager."""

from __future__ import annotations

import inspect
import unittest
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, TypeVar, cast

Block = AbstractContextManager[object]
Target = TypeVar("Target", bound=Callable[..., Any] | type)


def decorated(target: Target, block: Block) -> Target:
    """Return `target` so that every call of it, or every test of it, runs inside `block`.

    A generator, such as a pytest fixture, is inside until it ends. Of a `unittest.TestCase`, `setUp` and
    `tearDown` are inside as well; another class is one of pytest's, with its fixtures.
    """
    if isinstance(target, type):
        _decorate_class(target, block)
        return target
    return cast("Target", _decorated_function(target, block))


def _decorated_function(function: Callable[..., Any], block: Block) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            with block:
                return await function(*args, **kwargs)

        return run_async
    if inspect.isasyncgenfunction(function):

        @wraps(function)
        async def iterate_async(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with block:
                async for item in function(*args, **kwargs):
                    yield item

        return iterate_async
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def iterate(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with block:
                yield from function(*args, **kwargs)

        return iterate

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with block:
            return function(*args, **kwargs)

    return run


def _decorate_class(tests: type, block: Block) -> None:
    if issubclass(tests, unittest.TestCase):
        tests.run = _decorated_function(tests.run, block)  # type: ignore[method-assign]  # what a decorator does
        return
    # Imported here: whoever decorates such a class runs pytest, and nobody else needs it.
    import pytest

    def inside(self: object) -> Iterator[None]:
        with block:
            yield

    name = f"_policy_override_{id(block):x}"
    setattr(tests, name, pytest.fixture(autouse=True, name=name)(inside))
