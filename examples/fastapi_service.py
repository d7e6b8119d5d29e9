"""The company's API in FastAPI: `uvicorn examples.fastapi_service:app`."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from examples import company
from examples.approvers import approver
from policy_middleware import PolicyEnforcer, policy_action
from policy_middleware.attributes import header, query
from policy_middleware_fastapi import PolicyMiddleware

Tenant = Annotated[str, Header(alias="X-Tenant-ID")]


class Refund(BaseModel):
    """How much to pay back, in euros."""

    amount: float


class Question(BaseModel):
    """What to ask the assistant."""

    question: str


enforcer = PolicyEnforcer.from_url(os.environ.get("POLICY_STORE_URL", "redis://localhost:6379/0"))

app = FastAPI(title="Customers and reports")
app.add_middleware(
    PolicyMiddleware,
    enforcer=enforcer,
    # These headers are set by the company's gateway, which replaces whatever a client sends.
    tenant=header("X-Tenant-ID"),
    subject=header("X-User"),
    roles=header("X-Roles"),
    attributes={"resource.rows": query("rows", type=int)},
    approver=approver,
)


@app.get("/healthz")
def health() -> dict[str, str]:
    """Say that the process is up; exempt by default."""
    return {"status": "ok"}


@app.get("/customers")
@policy_action("customer.list", resource="customer", tags=["pii"])
def list_customers(tenant: Tenant) -> dict[str, object]:
    """List the customers of the tenant."""
    return company.customers(tenant)


@app.get("/customers/{customer_id}")
@policy_action("customer.read", resource="customer:{customer_id}", tags=["pii"])
def read_customer(customer_id: str, tenant: Tenant) -> dict[str, object]:
    """Show one customer."""
    try:
        return company.customer(tenant, customer_id)
    except company.UnknownCustomer as unknown:
        raise HTTPException(404, str(unknown)) from None


@app.post("/customers/{customer_id}/refunds", status_code=201)
@policy_action("refund.create", resource="customer:{customer_id}", tags=["money"])
def create_refund(customer_id: str, wanted: Refund, tenant: Tenant) -> dict[str, object]:
    """Pay a customer back."""
    try:
        return company.refund(tenant, customer_id, wanted.amount)
    except company.UnknownCustomer as unknown:
        raise HTTPException(404, str(unknown)) from None


@app.post("/reports/export")
@policy_action("report.export", resource="report", tags=["pii"])
def export_report(rows: int, tenant: Tenant) -> dict[str, object]:
    """Export customers into a report."""
    return company.export(tenant, rows)


@app.post("/assistant/answer")
@policy_action("assistant.answer", resource="assistant", tags=["pii", "ai"])
def ask_assistant(asked: Question, tenant: Tenant) -> dict[str, object]:
    """Answer a question with a language model."""
    return company.answer(tenant, asked.question)


@app.post("/assistant/stream")
@policy_action("assistant.answer", resource="assistant", tags=["pii", "ai"])
def stream_answer(asked: Question, tenant: Tenant) -> StreamingResponse:
    """Answer a question word by word, while the language model still thinks."""
    return StreamingResponse(company.answer_in_pieces(tenant, asked.question), media_type="text/event-stream")
