"""What leaves: JSON bodies with the values a policy names masked, or nothing at all."""

from policy_middleware.masking.masker import MaskedBody, Masker
from policy_middleware.masking.response import (
    STRIPPED_REQUEST_HEADERS,
    MaskedResponse,
    ResponseMask,
    stripped_request_headers,
)

__all__ = [
    "STRIPPED_REQUEST_HEADERS",
    "MaskedBody",
    "MaskedResponse",
    "Masker",
    "ResponseMask",
    "stripped_request_headers",
]
