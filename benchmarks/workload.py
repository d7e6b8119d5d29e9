"""A neutral workload: policy documents, request contexts, and the decision record's loop to compare with.

Three shapes, so that no index is flattered:

typical  roles and actions grow with the number of rules (more rules because there is more to govern)
dense    8 roles and 12 actions whatever the number of rules: every pair collects many candidates
ranges   neither role nor action: numbers and tags only, the worst case for an equality index
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

SHAPES: Final = ("typical", "dense", "ranges")
TENANT: Final = "acme"
JsonObject = dict[str, Any]

_EFFECTS = ("allow", "deny", "require_approval", "mask")
_WEIGHTS = (4, 3, 2, 2)
_TAGS = [
    "pii",
    "phi",
    "pci",
    "public",
    "internal",
    "secret",
    "eu",
    "us",
    "legal",
    "finance",
    "hr",
    "ml",
    "prod",
    "staging",
    "archived",
    "customer",
]
_REGIONS = ("eu-west", "eu-central", "us-east", "us-west", "ap-south", "sa-east")
_STAGES = ("prod", "staging", "dev")

_ROLE, _ACTION, _TAG = "role", "action", "tags"
_RISK, _AMOUNT, _HOUR = "context.risk", "resource.amount", "context.hour"
_REGION, _STAGE = "context.region", "context.stage"
BENIGN_ACTION: Final = "read_public"


def policy(rules: int, shape: str, seed: int = 0) -> JsonObject:
    """Return a policy document of `rules` rules as JSON data."""
    draw = random.Random(f"{shape}/{rules}/{seed}")
    roles, actions = _vocabulary(shape, rules)
    return {
        "schema": 1,
        "default": "deny",
        "rules": [_rule(number, draw, shape, roles, actions) for number in range(rules)],
    }


def requests(document: JsonObject, shape: str, count: int, seed: int = 1) -> list[JsonObject]:
    """Return contexts as plain mappings.

    30 % are aimed at the first fifth of the rules, 30 % at any rule, 10 % are random, and 30 % are benign
    reads that no rule names, which mostly fall to the default.
    """
    rules = document["rules"]
    draw = random.Random(f"requests/{shape}/{len(rules)}/{seed}")
    roles, actions = _vocabulary(shape, len(rules))
    asked = []
    for _ in range(count):
        context: JsonObject = {
            "tenant_id": TENANT,
            _ROLE: draw.choice(roles),
            _ACTION: draw.choice(actions),
            _TAG: draw.sample(_TAGS, draw.choice((1, 2, 2, 3))),
            _RISK: draw.randrange(0, 101),
            _AMOUNT: draw.randrange(0, 10_000),
            _HOUR: draw.randrange(0, 24),
            _REGION: draw.choice(_REGIONS),
            _STAGE: draw.choice(_STAGES),
        }
        kind = draw.random()
        if kind < 0.30:
            _aim(context, rules[draw.randrange(max(1, len(rules) // 5))], draw)
        elif kind < 0.60:
            _aim(context, draw.choice(rules), draw)
        elif kind >= 0.70:
            context[_ACTION] = BENIGN_ACTION
            context[_RISK] = draw.randrange(0, 40)
        asked.append(context)
    return asked


@dataclass(frozen=True)
class LoopDecision:
    """What the decision record's evaluator returns."""

    action: str
    reason: str


class Loop:
    """The evaluator of the decision record, as its page shows it: one rule after the other, first match wins.

    It reads the same rules from memory, conditions taken apart beforehand. Like the record it knows nothing
    of missing attributes but that they do not match, no types and no obligations. The goals were set against
    this form; one with everything inlined in a single function takes about half the time.
    """

    def __init__(self, document: JsonObject) -> None:
        self._policies = [
            {
                "conditions": [
                    {"attribute": attribute, "operator": operator, "operand": operand}
                    for attribute, comparison in rule["when"].items()
                    for operator, operand in _comparisons(comparison)
                ],
                "action": rule["effect"],
                "reason": rule["reason"],
            }
            for rule in document["rules"]
        ]

    def evaluate(self, context: JsonObject) -> LoopDecision:
        """Decide one context."""
        for policy in self._policies:
            if self._matches(policy, context):
                return LoopDecision(action=policy["action"], reason=policy["reason"])
        return LoopDecision(action="deny", reason="default")

    def _matches(self, policy: JsonObject, context: JsonObject) -> bool:
        return all(_holds(condition, context) for condition in policy["conditions"])


def _holds(condition: JsonObject, context: JsonObject) -> bool:
    value, operator, operand = (
        context.get(condition["attribute"]),
        condition["operator"],
        condition["operand"],
    )
    if value is None:
        return False
    if operator == "eq":
        return bool(operand in value if isinstance(value, list) else value == operand)
    if operator == "in":
        return value in operand
    if operator == "gte":
        return bool(value >= operand)
    if operator == "range":
        return bool(operand[0] <= value <= operand[1])
    raise ValueError(f"unknown operator {operator!r}")


def _comparisons(comparison: Any) -> list[tuple[str, Any]]:
    return list(comparison.items()) if isinstance(comparison, dict) else [("eq", comparison)]


def _vocabulary(shape: str, rules: int) -> tuple[list[str], list[str]]:
    roles, actions = 8, 12
    if shape == "typical" and rules > 30:
        roles, actions = (12, 40) if rules <= 300 else (24, 200)
    return [f"role{number}" for number in range(roles)], [f"act{number}" for number in range(actions)]


def _rule(number: int, draw: random.Random, shape: str, roles: list[str], actions: list[str]) -> JsonObject:
    effect = draw.choices(_EFFECTS, _WEIGHTS)[0]
    rule = {
        "id": f"r{number}",
        "when": _when(draw, shape, roles, actions),
        "effect": effect,
        "reason": f"Rule {number} says {effect}.",
    }
    if effect == "mask":
        rule["mask"] = {"fields": {"**.email": "redact"}}
    if effect == "require_approval":
        rule["approval"] = {"approvers": {_ROLE: "dpo"}}
    return rule


def _when(draw: random.Random, shape: str, roles: list[str], actions: list[str]) -> JsonObject:
    role, action = draw.choice(roles), draw.choice(actions)
    some_actions = {"in": sorted(draw.sample(actions, draw.choice((2, 2, 3))))}
    tag = draw.choice(_TAGS)
    risk = {"gte": draw.choice((60, 70, 80, 85, 90, 95))}
    amount = _range(draw, 9000, draw.choice((100, 500, 1000)))
    hour = _range(draw, 20, 3)
    kind = draw.random()
    if shape == "ranges":
        high_risk = {"gte": draw.choice((90, 95, 97, 98))}
        return {_RISK: high_risk, _AMOUNT: amount, _TAG: tag} | ({_HOUR: hour} if kind < 0.5 else {})
    if kind < 0.45:
        return {_ROLE: role, _ACTION: some_actions, _RISK: risk}
    if kind < 0.65:
        return {_ACTION: action, _TAG: tag, _RISK: risk}
    if kind < 0.75:
        two_roles = {"in": sorted(draw.sample(roles, 2))}
        return {_ROLE: two_roles, _ACTION: action, _REGION: draw.choice(_REGIONS)}
    if kind < 0.85:
        return {_ACTION: action, _AMOUNT: amount}
    if kind < 0.90:
        return {_TAG: tag, _RISK: {"gte": 97}, _AMOUNT: amount}
    if kind < 0.95:
        return {_ROLE: role, _STAGE: draw.choice(_STAGES), _AMOUNT: amount, _TAG: tag}
    return {_ACTION: some_actions, _HOUR: hour, _TAG: tag}


def _range(draw: random.Random, highest: int, width: int) -> JsonObject:
    low = draw.randrange(0, highest)
    return {"range": [low, low + width]}


def _aim(context: JsonObject, rule: JsonObject, draw: random.Random) -> None:
    """Change a context so that a rule holds."""
    for attribute, comparison in rule["when"].items():
        for operator, operand in _comparisons(comparison):
            if operator == "in":
                context[attribute] = draw.choice(operand)
            elif operator == "gte":
                context[attribute] = draw.randrange(operand, 101)
            elif operator == "range":
                context[attribute] = draw.randrange(operand[0], operand[1] + 1)
            elif attribute != _TAG:
                context[attribute] = operand
            elif operand not in context[_TAG]:
                context[_TAG] = [*context[_TAG], operand]
