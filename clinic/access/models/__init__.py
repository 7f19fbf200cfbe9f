from clinic.access.models.sites import Site
from clinic.access.models.tokens import ApiToken
from clinic.access.models.users import Membership, User

__all__ = ["ApiToken", "Membership", "Site", "User"]
