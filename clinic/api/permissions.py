"""Looks up what a view's action needs in the role table; refuses what is not listed."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from clinic.access import second_factor
from clinic.access.actors import actor_of
from clinic.common.errors import Forbidden

OPEN_TO_STAFF = "any"
"""Needs a signed-in user, and no role."""


class TablePermission(BasePermission):
    """401 without a user, 403 when no role of the user at any site allows the action."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Each view maps its actions to names in clinic.access.policy.PERMISSIONS."""
        if not request.user.is_authenticated:
            return False
        if second_factor.missing(request.user):
            raise Forbidden(
                "Your role needs a second factor. Set it up in the admin, then sign in again.",
                code="second_factor_required",
            )
        action = getattr(view, "action", None) or request.method
        if action is None or view.action_map_missing(request):
            return True  # DRF answers 405 next
        needed = view.permissions[action]
        if needed == OPEN_TO_STAFF:
            return True
        if not actor_of(request.user).may(needed):
            raise Forbidden("Your role does not allow this. Ask a manager of your site.")
        return True
