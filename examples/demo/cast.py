"""Who appears in the demo, and what they ask for."""

from __future__ import annotations

from typing import Final

from examples.services import Call, Person

ANA: Final = Person("ana", "analyst", "acme")
SAM: Final = Person("sam", "support", "acme")
FAY: Final = Person("fay", "finance", "acme")
MIA: Final = Person("mia", "manager", "globex")

QUESTION: Final = {"question": "What does Ada owe us?"}

CUSTOMER: Final = Call("GET", "/customers/c1")
ASSISTANT: Final = Call("POST", "/assistant/answer", QUESTION)
STREAM: Final = Call("POST", "/assistant/stream", QUESTION)
EXPORT: Final = Call("POST", "/reports/export?rows=5000")
OTHER_EXPORT: Final = Call("POST", "/reports/export?rows=9000")
REFUND: Final = Call("POST", "/customers/c1/refunds", {"amount": 640})
