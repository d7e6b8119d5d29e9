"""Pages for people, the same in every framework (extra `console`)."""

from policy_middleware.console.inbox import Inbox
from policy_middleware.console.page_request import PageRequest
from policy_middleware.console.visitor import Visitor, visitor_of

__all__ = ["Inbox", "PageRequest", "Visitor", "visitor_of"]
