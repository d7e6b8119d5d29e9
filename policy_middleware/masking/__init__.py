"""What leaves: bodies and streams with the values a policy names masked, or nothing at all."""

from policy_middleware.masking.admission import mask_admission
from policy_middleware.masking.keys import MaskKeys
from policy_middleware.masking.masker import MaskedBody, MaskedHeader, MaskedText, Masker
from policy_middleware.masking.messages import MessageMask
from policy_middleware.masking.operators import register_operator
from policy_middleware.masking.recognition import Span, recognize
from policy_middleware.masking.report import MaskReport
from policy_middleware.masking.response import (
    STRIPPED_REQUEST_HEADERS,
    BrokenOff,
    MaskedResponse,
    ResponseMask,
    stripped_request_headers,
)

__all__ = [
    "STRIPPED_REQUEST_HEADERS",
    "BrokenOff",
    "MaskKeys",
    "MaskReport",
    "MaskedBody",
    "MaskedHeader",
    "MaskedResponse",
    "MaskedText",
    "Masker",
    "MessageMask",
    "ResponseMask",
    "Span",
    "mask_admission",
    "recognize",
    "register_operator",
    "stripped_request_headers",
]
