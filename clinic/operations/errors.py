"""The one error of these commands: a sentence for the person at the terminal, without secrets."""


class Refused(Exception):
    """What was asked cannot be done; ``str(error)`` says why and what to do."""
