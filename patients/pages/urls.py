"""Everything under /p/: what the links in our messages open."""

from django.urls import path

from patients.pages import views

urlpatterns = [
    path("<str:token>/", views.page, name="patient-page"),
    path("<str:token>/unsubscribe/", views.unsubscribe, name="patient-unsubscribe"),
    path("<str:token>/<slug:step>/", views.page, name="patient-step"),
]
