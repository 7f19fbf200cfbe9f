"""Everything under /feeds/."""

from django.urls import path

from scheduling.feeds.views import feed

urlpatterns = [path("<str:token>.ics", feed, name="calendar-feed")]
