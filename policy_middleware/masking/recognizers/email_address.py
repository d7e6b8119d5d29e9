"""E-mail addresses, also internationalised ones (RFC 6531)."""

from __future__ import annotations

from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

# Of the special characters that RFC 5322 allows in a local part, those that addresses have in practice and
# that do not delimit them. `mailto=a@b.example`, `/users/a@b.example` and `x|a@b.example` are words, a sign
# and an address, whose hash has to be the same as elsewhere.
_LOCAL: Final = r"\w[\w.%+'~-]{0,63}"
# A number that touches the address is masked with it, in all its groups: nothing tells where one ends and the
# other begins.
_DOMAIN: Final = (
    r"\w[\w.-]{0,126}\.(?:xn--[a-zA-Z0-9-]{2,59}|[^\W\d_]{2,24})(?:\d[\w-]{0,40}(?:[ .]\d{2,8}){0,6})?"
)
# As addresses of the web spell it, once more where one is the parameter of another: `?to=jo%2540example.com`.
_AT: Final = r"(?:@|%(?:25){0,2}40)"

EMAIL_ADDRESS: Final = Recognizer(
    "EMAIL_ADDRESS",
    "An e-mail address.",
    ("john.smith@example.com", "jörg@müller.example", "o'brien+news@mail.example.co.uk"),
    (Shape(_LOCAL + _AT + _DOMAIN, presence=r"[\w.%+'~-]" + _AT + r"\w"),),
)
