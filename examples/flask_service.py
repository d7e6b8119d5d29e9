"""The company's API in Flask: `gunicorn examples.flask_service:app`."""

from __future__ import annotations

import os

from flask import Flask, request
from flask.typing import ResponseReturnValue

from examples import company
from examples.approvers import approver
from policy_middleware import policy_action
from policy_middleware.attributes import header, query
from policy_middleware_flask import PolicyMiddleware

app = Flask(__name__)
app.config.update(
    POLICY_STORE_URL=os.environ.get("POLICY_STORE_URL", "redis://localhost:6379/0"),
    # These headers are set by the company's gateway, which replaces whatever a client sends.
    POLICY_TENANT=header("X-Tenant-ID"),
    POLICY_SUBJECT=header("X-User"),
    POLICY_ROLES=header("X-Roles"),
    POLICY_ATTRIBUTES={"resource.rows": query("rows", type=int)},
    POLICY_APPROVER=approver,
)
PolicyMiddleware(app)


def tenant() -> str:
    """Return the tenant the gateway vouches for."""
    return request.headers["X-Tenant-ID"]


@app.errorhandler(company.UnknownCustomer)
def not_found(unknown: company.UnknownCustomer) -> ResponseReturnValue:
    """Answer 404 for a customer the tenant does not have."""
    return {"detail": str(unknown)}, 404


@app.get("/healthz")
def health() -> ResponseReturnValue:
    """Say that the process is up; exempt by default."""
    return {"status": "ok"}


@app.get("/customers")
@policy_action("customer.list", resource="customer", tags=["pii"])
def list_customers() -> ResponseReturnValue:
    """List the customers of the tenant."""
    return company.customers(tenant())


@app.get("/customers/<customer_id>")
@policy_action("customer.read", resource="customer:{customer_id}", tags=["pii"])
def read_customer(customer_id: str) -> ResponseReturnValue:
    """Show one customer."""
    return company.customer(tenant(), customer_id)


@app.post("/customers/<customer_id>/refunds")
@policy_action("refund.create", resource="customer:{customer_id}", tags=["money"])
def create_refund(customer_id: str) -> ResponseReturnValue:
    """Pay a customer back."""
    return company.refund(tenant(), customer_id, float(request.get_json()["amount"])), 201


@app.post("/reports/export")
@policy_action("report.export", resource="report", tags=["pii"])
def export_report() -> ResponseReturnValue:
    """Export customers into a report."""
    return company.export(tenant(), int(request.args["rows"]))


@app.post("/assistant/answer")
@policy_action("assistant.answer", resource="assistant", tags=["pii", "ai"])
def ask_assistant() -> ResponseReturnValue:
    """Answer a question with a language model."""
    return company.answer(tenant(), str(request.get_json()["question"]))


@app.post("/assistant/stream")
@policy_action("assistant.answer", resource="assistant", tags=["pii", "ai"])
def stream_answer() -> ResponseReturnValue:
    """Answer a question word by word, while the language model still thinks."""
    question = str(request.get_json()["question"])
    return company.answer_in_pieces(tenant(), question), {"Content-Type": "text/event-stream"}
