"""The error that all rooms here share."""


class SubdivisionError(RuntimeError):
    """A subdivision failed its own checks: a fault of the program, never of the network."""
