from clinic.access.models.service_tokens import ServiceToken
from clinic.access.models.sign_ins import CredentialTry, SecondFactorReset, SignIn
from clinic.access.models.sites import Site
from clinic.access.models.users import Membership, User

__all__ = ["CredentialTry", "Membership", "SecondFactorReset", "ServiceToken", "SignIn", "Site", "User"]
