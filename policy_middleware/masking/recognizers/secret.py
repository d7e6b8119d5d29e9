"""Credentials that announce themselves: prefixed tokens, private keys, JSON web tokens.

Secrets without a shape of their own (passwords, random keys) are not found: no pattern tells them from other
text. This recogniser is built for precision.
"""

from __future__ import annotations

import re
from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

# What the providers begin their tokens with. The rest of a token is at least 16 characters long and is
# taken as long as it goes on, because providers let their tokens grow.
_BEGINNINGS: Final = (
    r"(?:A3T[A-Z0-9]|A[KSB]IA|ACCA)[A-Z0-9]{4}",  # Amazon Web Services
    r"gh[pousr]_|github_pat_",  # GitHub
    r"gl(?:pat|dt|ft|soat|rt|cbt|ptt|imt|agent|ffct)-",  # GitLab
    r"xox[abeoprs][-.]|xapp-\d-",  # Slack
    r"[rsp]k_(?:live|test|prod)_|whsec_",  # Stripe
    r"sk-(?:ant-|proj-|svcacct-|or-)?",  # OpenAI, Anthropic, OpenRouter
    r"AIza|ya29\.|GOCSPX-",  # Google
    r"SG\.",  # SendGrid
    r"npm_|pypi-AgE|rubygems_",
    r"hf_|r8_|nvapi-|gsk_|xai-",  # Hugging Face, Replicate, NVIDIA, Groq, xAI
    r"do[opr]_v1_",  # DigitalOcean
    r"shp(?:at|ca|pa|ss)_",  # Shopify
    r"hv[sbr]\.",  # HashiCorp Vault
    r"glsa_|glc_",  # Grafana
    r"dapi[a-f0-9]{8}",  # Databricks
    r"lin_api_|secret_|ntn_[0-9]{8}",  # Linear, Notion
    r"sntr[ysu]_",  # Sentry
    r"dckr_(?:pat|oat)_",  # Docker
    r"PMAK-|NRAK-|ATATT3",  # Postman, New Relic, Atlassian
    r"AGE-SECRET-KEY-1",
    r"\d{8,10}:AA",  # Telegram
)


_DIGIT: Final = re.compile(rb"\d")


def _random_looking(value: bytes) -> tuple[int, int] | None:
    """Reject identifiers made of words, such as `sk-learn-compatible-estimators`: a key has digits."""
    end = len(value.rstrip(b".-=_"))
    return (0, end) if _DIGIT.search(value, 6, end) else None


def _token_of_parts(value: bytes) -> tuple[int, int] | None:
    """Accept a JSON web token: two parts or three, with dots between."""
    end = len(value.rstrip(b".-"))
    return (0, end) if 1 <= value.count(b".", 0, end) <= 4 else None


SECRET: Final = Recognizer(
    "SECRET",
    "A token of a well-known provider, a private key or a JSON web token.",
    (
        "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",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----",
    ),
    (
        Shape(
            r"\b(?:" + "|".join(_BEGINNINGS) + r")[A-Za-z0-9_+/=-]{16}",
            tail=r"[A-Za-z0-9_+/=.-]",
            judge=_random_looking,
        ),
        Shape(r"\b[0-9a-f]{32}-us\d{1,2}\b", presence=r"[0-9a-f]-us\d"),  # Mailchimp
        # A token begins as every JSON object does: base64url of `{"` (RFC 7515).
        Shape(
            r"\beyJ[A-Za-z0-9_-]{10}",
            tail=r"[A-Za-z0-9_.-]",
            judge=_token_of_parts,
        ),
        # The body of a key is base64 in lines, also escaped as in JSON or an environment file, after headers
        # that some forms have (RFC 1421, RFC 9580). It ends at the hyphens of the footer.
        Shape(
            r"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?:\s|\\[nr]){0,4}[A-Z][A-Za-z-]{2,20}: [^\n\\]{0,60}){0,3}",
            presence="PRIVATE KEY",
            tail=r"[A-Za-z0-9+/=\s\\]",
        ),
    ),
)
