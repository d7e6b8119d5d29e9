from __future__ import annotations

import pytest

from policy_middleware.approval_documents import task_url
from policy_middleware.settings import GateSettings

SETTINGS = GateSettings.load({}, {})


@pytest.mark.parametrize(
    ("root_path", "below"),
    [
        ("", ""),
        ("/", ""),
        ("/api", "/api"),
        ("/m\u00fcnchen \u20ac", "/m%C3%BCnchen%20%E2%82%AC"),
        ("/a\r\nSet-Cookie: x=y", "/a%0D%0ASet-Cookie%3A%20x%3Dy"),
        ("//evil.example", "/evil.example"),
    ],
)
def test_a_task_is_found_below_the_mount_whatever_its_path_holds(root_path: str, below: str) -> None:
    assert task_url(SETTINGS, root_path, "apr_1") == f"{below}/_policy/access/v1/requests/apr_1"


def test_a_public_url_has_the_only_say() -> None:
    settings = GateSettings.load({"public_url": "https://app.example/"}, {})
    assert task_url(settings, "/api", "apr_1") == "https://app.example/_policy/access/v1/requests/apr_1"
