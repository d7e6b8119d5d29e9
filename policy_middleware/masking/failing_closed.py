"""What is done with an error while something is being masked: nothing of the text may go along with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from policy_middleware.model.errors import MaskError


@contextmanager
def failing_closed(forget: Callable[[str], None]) -> Iterator[None]:
    """Have every original byte forgotten on any error; `forget` is told the problem in words of our own.

    Only a MaskError goes on. Any other may carry the text along (a recogniser's, an operator's), so it ends
    here, and the caller, which comes out behind the `with`, raises one of its own that has no memory of it.
    """
    try:
        yield
    except MaskError as error:
        forget(str(error))
        raise
    except RecursionError:
        forget("the body is nested too deeply for the stack the application left")
    except Exception as error:  # noqa: BLE001 -- whatever it is, nothing may leave
        forget(f"masking failed with {type(error).__name__}")
    except BaseException:
        forget("masking was interrupted")
        raise
