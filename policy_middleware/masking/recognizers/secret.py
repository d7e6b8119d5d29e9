"""Credentials that announce themselves: prefixed tokens, private keys, JSON web tokens.

Secrets without a shape of their own (passwords, random keys) are not found: no pattern tells them from other
text. This recogniser is built for precision.
"""

from __future__ import annotations

import re
from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

# What the providers begin their tokens with, by what at least goes on behind it. The rest of a token is taken
# as long as it goes on, because providers let their tokens grow. None has no beginning of its own, because a
# stream would have to ask of every word whether it is one.
_BEFORE_LETTERS_AND_DIGITS: Final = (
    r"gh[pousr]_|npm_|rubygems_|dckr_(?:pat|oat)_",  # GitHub, Docker
    r"hf_|api_org_|r8_|gsk_|xai-|pplx-|pcsk_|sk-",  # Hugging Face, Replicate, Groq, Perplexity, OpenAI
    r"[rsp]k_(?:live|test|prod)_|whsec_|shippo_(?:live|test)_|sq0(?:atp|csp|idp)-",  # Stripe, Shippo, Square
    r"do[opr]_v1_|LTAI|dapi",  # DigitalOcean, Alibaba, Databricks
    r"lin_api_|ntn_|secret_|shp(?:at|ca|pa|ss)_|ph[cx]_",  # Linear, Notion, Shopify, PostHog
    r"sb_secret_|sbp_|sgp_|sq[upa]_|rdme_|pnu_|tfp_",  # Supabase, Sourcegraph, Sonar, Prefect, Typeform
    r"xkeysib-|EZ[AT]K|FLW(?:PUB|SEC)K(?:_TEST)?-|NR(?:AK|JS|AL)-",  # Brevo, EasyPost, Flutterwave, New Relic
    r"AKCp|CLOJARS_|GR1348941|p8e-|ico-|pul-|key-|sm_[aps]at_",  # Artifactory, GitLab, Adobe, Pulumi, Mailgun
    r"AGE-SECRET-KEY-1|s-s4t2(?:ud|af)-",
)
_BEFORE_SIGNS: Final = (
    r"github_pat_|gl(?:pat|dt|ft|soat|rt|cbt|ptt|imt|agent|ffct|oas)-",  # GitHub, GitLab
    r"xox[abeoprs][-.]|xapp-\d-",  # Slack
    r"sk-(?:ant|proj|svcacct|admin|or)-|nvapi-|lsv2_(?:pt|sk)_|tvly-",  # Anthropic, OpenAI, LangSmith
    r"AIza|ya29\.|GOCSPX-|SG\.|pypi-AgE|hv[sbr]\.",  # Google, SendGrid, PyPI, HashiCorp Vault
    r"glsa_|glc_|eyJrIjoi|sntry[su]_|figd_|PMAK-|AT[AC]TT3|ATBB",  # Grafana, Sentry, Figma, Atlassian
    r"HRKU-|ops_eyJ|pscale_(?:tkn|oauth|pw)_|dp\.(?:pt|st|ct|sa|scim|audit)\.",  # Heroku, 1Password, Doppler
    r"duffel_(?:test|live)_|dt0[a-z]01\.|fo1_|fm[12][ar]?_|fio-u-|sha256~",  # Dynatrace, Fly.io, OpenShift
    r"\d{8,10}:AA",  # Telegram
)
_AWS: Final = r"A3T[A-Z0-9]|A[KSB]IA|ACCA"
_BEGINNINGS: Final = (*_BEFORE_LETTERS_AND_DIGITS, *_BEFORE_SIGNS, _AWS, "A3-|SK|API-")
_FORMED: Final = re.compile(
    (
        rf"(?:{'|'.join(_BEFORE_LETTERS_AND_DIGITS)})[A-Za-z0-9]{{16}}|(?:{'|'.join(_BEFORE_SIGNS)})"
        rf"|(?:{_AWS})[A-Z0-9]{{16}}|A3-[A-Z0-9]{{6}}-[A-Z0-9]{{6}}|SK[0-9a-f]{{32}}|API-[A-Z0-9]{{26}}"
    ).encode()
)
"""Not in the pattern of the shape either: what streams ask about has to be short."""
_DIGIT: Final = re.compile(rb"\d")
_MIXED: Final = re.compile(rb"[a-z][A-Z]")
_WORDS: Final = re.compile(rb"[A-Za-z][_-][A-Za-z]")


def _random_looking(value: bytes) -> tuple[int, int] | None:
    """Reject identifiers made of words, such as `sk-learn-compatible-estimators`: keys differ."""
    end = len(value.rstrip(b".-=_"))
    start = int(value.startswith(b"_"))
    if _FORMED.match(value, start) is None:
        return None
    if _DIGIT.search(value, start + 6, end):
        return start, end
    return (
        (start, end)
        if _MIXED.search(value, start + 8, end) and not _WORDS.search(value, start + 8, end)
        else None
    )


def _token_of_parts(value: bytes) -> tuple[int, int] | None:
    """Accept a JSON web token: two parts or three, with dots between."""
    end = len(value.rstrip(b".-"))
    return (int(value.startswith(b"_")), end) if 1 <= value.count(b".", 0, end) <= 4 else None


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
            r"(?:\b|_)(?:" + "|".join(_BEGINNINGS) + r")[A-Za-z0-9_+/=-]{16}",
            tail=r"[A-Za-z0-9_+/=.-]",
            judge=_random_looking,
        ),
        Shape(r"\b[0-9a-f]{32}-us\d{1,2}\b", presence=r"[0-9a-f]-us\d"),  # Mailchimp
        # A token begins as every JSON object does: base64url of `{"` (RFC 7515).
        Shape(
            r"(?:\b|_)eyJ[A-Za-z0-9_-]{10}",
            tail=r"[A-Za-z0-9_.-]",
            judge=_token_of_parts,
        ),
        # The body of a key is base64 in lines, also escaped as in JSON or an environment file, after headers
        # that some forms have (RFC 1421, RFC 9580), two at most: for each, streams remember how long any
        # line has been. It ends at the hyphens of the footer.
        Shape(
            r"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?:\s|\\[^\W\d_]){0,4}[A-Z][A-Za-z-]{2,20}: [^\n\\]{0,60}){0,2}",
            presence="PRIVATE KEY",
            tail=r"[\w+/=\s\\]",
        ),
    ),
)
