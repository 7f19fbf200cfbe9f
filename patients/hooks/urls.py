"""/hooks/: where providers tell us what became of our messages, and what patients answer."""

from django.urls import path

from patients.hooks import twilio

urlpatterns = [
    path("twilio/status/", twilio.status, name="twilio-status"),
    path("twilio/inbound/", twilio.inbound, name="twilio-inbound"),
]
