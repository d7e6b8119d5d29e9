"""Tell other systems what happens to approvals: a listener of approvals that sends signed webhooks."""

from policy_middleware.notices.message import message_of
from policy_middleware.notices.webhook import Webhook, open_webhook

__all__ = ["Webhook", "message_of", "open_webhook"]
