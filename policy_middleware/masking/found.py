"""What is found in a text, and which of it is replaced as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import itemgetter
from typing import Final, NamedTuple

LONGEST_MATCH: Final = 1024
"""Characters of one match; what goes on beyond is masked as another value."""


class Found(NamedTuple):
    """A match in the view, and the position of its recogniser among those that were asked."""

    start: int
    end: int
    recognizer: int
    score: float


make_found: Final[Callable[[tuple[int, int, int, float]], Found]] = partial(tuple.__new__, Found)
"""Makes a Found of its fields, quicker than the class does."""
BEGINNING: Final = itemgetter(0)
"""What matches are sorted by."""


def regions(matches: Iterable[Found], limit: int) -> tuple[list[Sequence[Found]], list[Found]]:
    """Unite matches that overlap, as far as they end at or before `limit`; return the rest beside.

    Each region is the list of its matches, clipped so that their union is what is replaced. A region longer
    than LONGEST_MATCH is cut there, so that an endless chain of overlaps cannot hold a stream back.
    """
    queue = sorted(matches, key=BEGINNING)
    united: list[Sequence[Found]] = []
    at = 0
    while at < len(queue):
        start, end, _, _ = one = queue[at]
        behind = at + 1
        if (behind == len(queue) or queue[behind][0] >= end) and end - start <= LONGEST_MATCH:
            if end > limit:
                break
            united.append((one,))
            at = behind
            continue
        while behind < len(queue) and queue[behind].start < min(end, start + LONGEST_MATCH):
            end = max(end, queue[behind].end)
            behind += 1
        cut = min(end, start + LONGEST_MATCH)
        if cut > limit:
            break
        members = queue[at:behind]
        at = behind
        if end > cut:
            beyond = [
                Found(max(one.start, cut), one.end, one.recognizer, one.score)
                for one in members
                if one.end > cut
            ]
            members = [Found(one.start, min(one.end, cut), one.recognizer, one.score) for one in members]
            queue[at - len(beyond) : at] = beyond
            at -= len(beyond)
        united.append(members)
    return united, queue[at:]
