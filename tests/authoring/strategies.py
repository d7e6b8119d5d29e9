"""Random rules over few attributes, and requests as adapters describe them."""

from __future__ import annotations

from hypothesis import strategies as st

from policy_middleware.model.conditions import Condition
from policy_middleware.model.context import RequestContext
from policy_middleware.model.vocabulary import HOUR, TIME, WEEKDAY
from tests.evaluation.strategies import ATTRIBUTES, PREFIXES, TEXTS, TIMES, conditions, leaves, scalars

MANY = ("subject.roles", "resource.tags", "resource.rows")
SINGLE = ("subject.id", "environment.ip")

texts = st.sampled_from([*TEXTS, *(prefix + "z" for prefix in PREFIXES), "10.0.0.255", "ffff::1"])
values = st.one_of(scalars, texts, st.floats(-10, 10))
whens: st.SearchStrategy[Condition] = conditions(leaves((*ATTRIBUTES, TIME, HOUR, WEEKDAY)))
few: st.SearchStrategy[Condition] = conditions(leaves(("action", "resource.rows", "resource.tags")))
"""Conditions over so few attributes that they often imply or exclude each other."""


@st.composite
def requests(draw: st.DrawFn) -> RequestContext:
    """Draw a request: tenant, action, roles and tags are there, single attributes have one value."""
    given: dict[str, object] = {
        "tenant": "acme",
        "action": draw(texts),
        "subject.type": "user",
        "subject.roles": (),
        "resource.tags": (),
    }
    for name in MANY:
        if draw(st.integers(0, 3)):
            given[name] = draw(st.lists(values, max_size=3).map(tuple) | values)
    for name in SINGLE:
        if draw(st.integers(0, 3)):
            given[name] = draw(values)
    now = draw(st.sampled_from(TIMES)) + draw(st.sampled_from([0, 0.5, 3600 * 7]))
    return RequestContext("acme", given, now)  # type: ignore[arg-type]  # scalars and tuples of them
