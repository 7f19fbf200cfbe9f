"""What django-allauth reads: a name, a password and a second factor. Nobody signs up, and no mail is sent."""

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "admin:index"
ACCOUNT_ADAPTER = "clinic.access.allauth_adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = False  # ours hold without Redis (clinic/access/tries.py)
MFA_RATE_LIMITS = False
MFA_ADAPTER = "clinic.access.allauth_adapters.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Onset"
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
ACCOUNT_FORMS = {
    "login": "clinic.access.credentials.PasswordForm",
    "reauthenticate": "clinic.access.credentials.AgainForm",
}
MFA_FORMS = {
    "add_webauthn": "clinic.access.credentials.NewPasskeyForm",
    "authenticate": "clinic.access.credentials.CodeForm",
    "authenticate_webauthn": "clinic.access.credentials.PasskeyForm",
    "activate_totp": "clinic.access.credentials.EnrolForm",
}
