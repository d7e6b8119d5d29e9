"""Credentials that announce themselves: prefixed tokens, private keys, JSON web tokens.

Secrets without a shape of their own (passwords, random keys) are not found: no pattern tells them from other
text. This recogniser is built for precision.
"""

from __future__ import annotations

from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

# As the providers document their formats; the lengths leave room where they say that these may grow.
_TOKENS: Final = (
    r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",  # Amazon Web Services
    r"gh[pousr]_[A-Za-z0-9]{36,251}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{22,255}",
    r"gl(?:pat|dt|ft|soat|rt|cbt|ptt|imt|agent|ffct)-[A-Za-z0-9_-]{16,300}",  # GitLab
    r"xox[abeoprs][-.][A-Za-z0-9.-]{10,250}",  # Slack
    r"xapp-\d-[A-Za-z0-9-]{10,250}",
    r"[rsp]k_(?:live|test|prod)_[A-Za-z0-9]{10,250}",  # Stripe
    r"whsec_[A-Za-z0-9+/]{24,100}",
    r"sk-(?:ant-|proj-|svcacct-|or-)?[A-Za-z0-9_-]{20,250}",  # OpenAI, Anthropic, OpenRouter
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"ya29\.[A-Za-z0-9_-]{20,500}",
    r"GOCSPX-[A-Za-z0-9_-]{28}",
    r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,64}",  # SendGrid
    r"npm_[A-Za-z0-9]{36}\b",
    r"pypi-AgE[A-Za-z0-9_-]{50,900}",
    r"hf_[A-Za-z0-9]{30,60}",  # Hugging Face
    r"r8_[A-Za-z0-9]{37,40}\b",  # Replicate
    r"dop_v1_[a-f0-9]{64}\b",  # DigitalOcean
    r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b",  # Shopify
    r"hv[sbr]\.[A-Za-z0-9_-]{24,300}",  # HashiCorp Vault
    r"glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}\b",  # Grafana
    r"dapi[a-f0-9]{32}(?:-\d)?\b",  # Databricks
    r"lin_api_[A-Za-z0-9]{40}\b",  # Linear
    r"nvapi-[A-Za-z0-9_-]{60,70}",  # NVIDIA
    r"gsk_[A-Za-z0-9]{48,56}\b",  # Groq
    r"xai-[A-Za-z0-9]{70,90}\b",
    r"sntr[ysu]_[A-Za-z0-9+/=_-]{40,250}",  # Sentry
    r"rubygems_[a-f0-9]{48}\b",
    r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,60}",  # Docker
    r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}\b",  # Postman
    r"NRAK-[A-Z0-9]{27}\b",  # New Relic
    r"ATATT3[A-Za-z0-9_=-]{100,250}",  # Atlassian
    r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}\b",
    r"EAA[A-Za-z0-9]{80,250}",  # Meta
    r"[0-9a-f]{32}-us\d{1,2}\b",  # Mailchimp
    r"\d{8,10}:AA[A-Za-z0-9_-]{33}\b",  # Telegram
)

SECRET: Final = Recognizer(
    "SECRET",
    "A token of a well-known provider, a private key or a JSON web token.",
    (
        "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",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----",
    ),
    (
        Shape(r"\b(?:" + "|".join(_TOKENS) + ")"),
        # The payload of a signed token begins as every JSON object does: base64url of `{"` (RFC 7519).
        Shape(
            r"\beyJ[A-Za-z0-9_-]{8,600}\.[A-Za-z0-9_-]",
            presence=r"\beyJ[A-Za-z0-9_-]{8}",
            tail=r"[A-Za-z0-9_.-]",
        ),
        # The body of a key is base64 in lines, also escaped as in JSON or an environment file, after headers
        # that some forms have (RFC 1421, RFC 9580). It ends at the hyphens of the footer.
        Shape(
            r"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?:\s|\\[nr]){0,4}[A-Z][A-Za-z-]{2,20}: [^\n\\]{0,100}){0,4}",
            presence="PRIVATE KEY",
            tail=r"[A-Za-z0-9+/=\s\\]",
        ),
    ),
)
