"""The built-in recognisers, one small module each, named as Presidio names its entities."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from policy_middleware.masking.recognizers.credit_card import CREDIT_CARD
from policy_middleware.masking.recognizers.crypto import CRYPTO
from policy_middleware.masking.recognizers.date_time import DATE_TIME
from policy_middleware.masking.recognizers.email_address import EMAIL_ADDRESS
from policy_middleware.masking.recognizers.iban_code import IBAN_CODE
from policy_middleware.masking.recognizers.ip_address import IP_ADDRESS
from policy_middleware.masking.recognizers.mac_address import MAC_ADDRESS
from policy_middleware.masking.recognizers.phone_number import PHONE_NUMBER
from policy_middleware.masking.recognizers.recognizer import Recognizer
from policy_middleware.masking.recognizers.secret import SECRET
from policy_middleware.masking.recognizers.uk_nhs import UK_NHS
from policy_middleware.masking.recognizers.url import URL
from policy_middleware.masking.recognizers.us_passport import US_PASSPORT
from policy_middleware.masking.recognizers.us_ssn import US_SSN

RECOGNIZERS: Final[Mapping[str, Recognizer]] = MappingProxyType(
    {
        recognizer.entity: recognizer
        for recognizer in (
            EMAIL_ADDRESS,
            PHONE_NUMBER,
            CREDIT_CARD,
            IBAN_CODE,
            US_SSN,
            IP_ADDRESS,
            URL,
            MAC_ADDRESS,
            CRYPTO,
            DATE_TIME,
            US_PASSPORT,
            UK_NHS,
            SECRET,
        )
    }
)
