"""The one exception that is meant to be read by a person."""


class ConsoleError(Exception):
    """A problem that the user can act on.

    The message names the thing, the value, what was expected and the next step; front ends print
    it as it is (cleaned), without a traceback. ``exit_code`` is what a headless command ends with.
    """

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
