"""The routes of the company's API."""

from __future__ import annotations

from django.urls import path

from examples.django_service import views

urlpatterns = [
    path("healthz", views.health),
    path("customers", views.list_customers),
    path("customers/<str:customer_id>", views.read_customer),
    path("customers/<str:customer_id>/refunds", views.create_refund),
    path("reports/export", views.export_report),
    path("assistant/answer", views.ask_assistant),
    path("assistant/stream", views.stream_answer),
]
