"""What ends a command, or one job of it, with a few lines for the user."""


class FailedRunError(Exception):
    """A job failed; what and why has been said.

    Attributes:
        command: The command line that does it again.
    """

    def __init__(self, reason: str, command: str) -> None:
        super().__init__(reason)
        self.command = command


class RefusedError(Exception):
    """A configuration that cannot be run; its text is for the user.

    Attributes:
        command: The command line that asked for it, where it is one job of a sweep.
    """

    command = ""
