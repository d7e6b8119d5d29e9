"""The views of the company's API."""

from __future__ import annotations

import json

from django.http import Http404, HttpRequest, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET, require_POST

from examples import company
from policy_middleware import policy_action


def tenant(request: HttpRequest) -> str:
    """Return the tenant the gateway vouches for."""
    return request.headers["X-Tenant-ID"]


def health(request: HttpRequest) -> JsonResponse:
    """Say that the process is up; exempt by default."""
    return JsonResponse({"status": "ok"})


@policy_action("customer.list", resource="customer", tags=["pii"])
@require_GET
def list_customers(request: HttpRequest) -> JsonResponse:
    """List the customers of the tenant."""
    return JsonResponse(company.customers(tenant(request)))


@policy_action("customer.read", resource="customer:{customer_id}", tags=["pii"])
@require_GET
def read_customer(request: HttpRequest, customer_id: str) -> JsonResponse:
    """Show one customer."""
    try:
        return JsonResponse(company.customer(tenant(request), customer_id))
    except company.UnknownCustomer as unknown:
        raise Http404(str(unknown)) from None


@policy_action("refund.create", resource="customer:{customer_id}", tags=["money"])
@require_POST
def create_refund(request: HttpRequest, customer_id: str) -> JsonResponse:
    """Pay a customer back."""
    try:
        receipt = company.refund(tenant(request), customer_id, float(json.loads(request.body)["amount"]))
    except company.UnknownCustomer as unknown:
        raise Http404(str(unknown)) from None
    return JsonResponse(receipt, status=201)


@policy_action("report.export", resource="report", tags=["pii"])
@require_POST
def export_report(request: HttpRequest) -> JsonResponse:
    """Export customers into a report."""
    return JsonResponse(company.export(tenant(request), int(request.GET["rows"])))


@policy_action("assistant.answer", resource="assistant", tags=["pii", "ai"])
@require_POST
def ask_assistant(request: HttpRequest) -> JsonResponse:
    """Answer a question with a language model."""
    return JsonResponse(company.answer(tenant(request), str(json.loads(request.body)["question"])))


@policy_action("assistant.answer", resource="assistant", tags=["pii", "ai"])
@require_POST
def stream_answer(request: HttpRequest) -> StreamingHttpResponse:
    """Answer a question word by word, while the language model still thinks."""
    question = str(json.loads(request.body)["question"])
    return StreamingHttpResponse(
        company.answer_in_pieces(tenant(request), question), content_type="text/event-stream"
    )
