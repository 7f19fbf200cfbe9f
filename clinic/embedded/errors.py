"""The one error of the embedded parts: a sentence for the person at the terminal, never a traceback."""


class EmbeddedError(Exception):
    """Something that stops the demo or the test services; `str(error)` is one sentence that says
    what to do."""
