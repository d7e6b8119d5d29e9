"""Records as events of the Open Cybersecurity Schema Framework, version 1.6.0.

A decision is an API Activity (6003) with the profile `security_control`: who asked for what, what was done
about it, and by which policy. What became of a decision later, and what the log says of itself, is a Base
Event (0), because no class has a form for it; nothing of a record is lost, for `unmapped` has the rest.
Source: https://schema.ocsf.io/1.6.0/classes/api_activity?profiles=security_control
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from policy_middleware.decision_log.reading import ReadRecord, asked_of, moment_of
from policy_middleware.decision_log.record import DECISION, GAP, UNREADABLE

VERSION: Final = "1.6.0"
_PRODUCT: Final = "policy-middleware"
_LOG: Final = "policy_middleware.decisions"
_OTHER: Final = 99
_INFORMATIONAL, _LOW, _MEDIUM = (1, "Informational"), (2, "Low"), (3, "Medium")

_ACTIVITIES: Final[Mapping[object, tuple[int, str]]] = {
    "POST": (1, "Create"),
    "GET": (2, "Read"),
    "HEAD": (2, "Read"),
    "PUT": (3, "Update"),
    "PATCH": (3, "Update"),
    "DELETE": (4, "Delete"),
}
_ALLOWED, _DENIED, _OBSERVED, _MODIFIED = (1, "Allowed"), (2, "Denied"), (3, "Observed"), (4, "Modified")
_OUTCOMES: Final[Mapping[object, tuple[tuple[int, str], tuple[int, str]]]] = {
    "allow": (_ALLOWED, (1, "Allowed")),
    "deny": (_DENIED, (2, "Blocked")),
    "mask": (_MODIFIED, (11, "Corrected")),
    "require_approval": (_MODIFIED, (14, "Delayed")),
}
"""Action and disposition by effect; OCSF names Corrected and Delayed as dispositions of what was Modified."""
_UNKNOWN: Final = ((0, "Unknown"), (0, "Unknown"))
_DECISION_TELLS: Final = frozenset({"decision_id", "timestamp", "tenant", "reason", "labels", "requested_by"})
_EVENT_TELLS: Final = frozenset({"decision_id", "timestamp", "tenant", "labels"})


def ocsf_event(record: ReadRecord) -> dict[str, object]:
    """Return a record as an OCSF event, with everything that its class requires."""
    return _decision(record) if record.get("event") == DECISION else _base_event(record)


def _decision(record: ReadRecord) -> dict[str, object]:
    asked = asked_of(record)
    method = _text(asked.get("http.method"))
    activity, activity_name = _ACTIVITIES.get(method, (_OTHER, method or str(asked.get("action") or "Other")))
    (action, action_name), (disposition, disposition_name) = _outcome(record)
    denied = action == _DENIED[0]
    severity, severity_name = _LOW if denied else _INFORMATIONAL
    policy = _policy(record)
    event: dict[str, object] = {
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": 6003,
        "class_name": "API Activity",
        "activity_id": activity,
        "activity_name": activity_name,
        "type_uid": 600300 + activity,
        "type_name": f"API Activity: {activity_name}",
        "severity_id": severity,
        "severity": severity_name,
        "time": _milliseconds(record),
        "metadata": _metadata(record, ["security_control"]),
        "message": str(record.get("reason") or ""),
        "status_id": 2 if denied else 1,
        "status": "Failure" if denied else "Success",
        "actor": _actor(asked),
        "api": _without_none(
            {
                "operation": str(asked.get("action") or "unknown"),
                "request": {"uid": str(record.get("decision_id") or "")},
                "service": {"name": _text(asked.get("http.host"))} if asked.get("http.host") else None,
            }
        ),
        "src_endpoint": {"ip": ip} if (ip := _text(record.get("requested_by"))) else {"name": "unknown"},
        "resources": [_resource(asked)],
        "action_id": action,
        "action": action_name,
        "disposition_id": disposition,
        "disposition": disposition_name,
        "policy": policy,
        "authorizations": [
            {"decision": str(record.get("effect") or ""), "policy": policy},
            *_observed(record),
        ],
        "unmapped": _rest(record, _DECISION_TELLS),
    }
    if method and asked.get("http.path"):
        event["http_request"] = {
            "http_method": method,
            "url": _without_none(
                {"path": _text(asked.get("http.path")), "hostname": _text(asked.get("http.host"))}
            ),
        }
    return event


def _base_event(record: ReadRecord) -> dict[str, object]:
    name = str(record.get("event"))
    severity, severity_name = _MEDIUM if name in (GAP, UNREADABLE) else _INFORMATIONAL
    return {
        "category_uid": 0,
        "category_name": "Uncategorized",
        "class_uid": 0,
        "class_name": "Base Event",
        "activity_id": _OTHER,
        "activity_name": name,
        "type_uid": _OTHER,
        "type_name": "Base Event: Other",
        "severity_id": severity,
        "severity": severity_name,
        "time": _milliseconds(record),
        "metadata": _metadata(record, []),
        "message": name.replace("_", " "),
        "unmapped": _rest(record, _EVENT_TELLS),
    }


def _outcome(record: ReadRecord) -> tuple[tuple[int, str], tuple[int, str]]:
    effect = _text(record.get("effect"))
    if record.get("enforced") is False and effect != "allow":
        return _OBSERVED, (17, "Logged")
    if effect == "allow" and record.get("matched") == "approval":
        return _ALLOWED, (8, "Approved")
    return _OUTCOMES.get(effect, _UNKNOWN)


def _milliseconds(record: ReadRecord) -> int:
    return int((moment_of(record) or 0.0) * 1000)


def _metadata(record: ReadRecord, profiles: list[str]) -> dict[str, object]:
    labels = record.get("labels")
    version = labels.get("version") if isinstance(labels, dict) else None
    writer, seq = record.get("writer"), record.get("seq")
    return _without_none(
        {
            "version": VERSION,
            "profiles": profiles,
            "product": _without_none({"name": _PRODUCT, "vendor_name": _PRODUCT, "version": _text(version)}),
            "log_name": _LOG,
            "uid": f"{writer}/{seq}"
            if writer is not None and seq is not None
            else _text(record.get("decision_id")),
            "correlation_uid": _text(record.get("decision_id")),
            "original_time": _text(record.get("timestamp")),
            "sequence": seq if isinstance(seq, int) else None,
            "event_code": str(record.get("event")),
            "tenant_uid": _text(record.get("tenant")),
        }
    )


def _actor(asked: Mapping[str, Any]) -> dict[str, object]:
    subject = _text(asked.get("subject.id"))
    if subject is None:
        return {"user": {"name": "anonymous", "type_id": 0, "type": "Unknown"}}
    roles = asked.get("subject.roles")
    groups = [
        {"name": str(role)} for role in (roles if isinstance(roles, list) else [roles] if roles else [])
    ]
    return {"user": {"uid": subject, "name": subject, **({"groups": groups} if groups else {})}}


def _resource(asked: Mapping[str, Any]) -> dict[str, object]:
    tags = asked.get("resource.tags")
    return _without_none(
        {
            "uid": _text(asked.get("resource.id")),
            "name": _text(asked.get("resource.id")) or _text(asked.get("http.route")) or "unknown",
            "type": _text(asked.get("resource.type")),
            "labels": [str(tag) for tag in tags] if isinstance(tags, list) and tags else None,
        }
    )


def _policy(record: ReadRecord) -> dict[str, object]:
    document, rule = _text(record.get("document")), _text(record.get("rule"))
    bundles = record.get("bundles")
    bundle = bundles.get(document) if isinstance(bundles, dict) else None
    return _without_none(
        {
            "uid": f"{document}/{rule}" if rule is not None else document,
            "name": rule or str(record.get("matched") or "unknown"),
            "desc": _text(record.get("reason")),
            "version": _text(bundle.get("revision")) if isinstance(bundle, dict) else None,
            "is_applied": record.get("enforced") is not False,
        }
    )


def _observed(record: ReadRecord) -> list[dict[str, object]]:
    rules = record.get("observed")
    return [
        {
            "decision": str(rule.get("effect")),
            "policy": {
                "uid": f"{rule.get('document')}/{rule.get('rule')}",
                "name": str(rule.get("rule")),
                "is_applied": False,
            },
        }
        for rule in (rules if isinstance(rules, list) else ())
        if isinstance(rule, dict)
    ]


def _rest(record: ReadRecord, told: frozenset[str]) -> dict[str, object]:
    return {name: value for name, value in record.items() if name not in told and value is not None}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _without_none(members: dict[str, object | None]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
