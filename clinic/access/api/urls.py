"""Addresses of what the ground floor offers."""

from clinic.access.api.sites import SiteViewSet
from clinic.api.routers import OnsetRouter

router = OnsetRouter()
router.register("sites", SiteViewSet, basename="site")
urlpatterns = router.urls
