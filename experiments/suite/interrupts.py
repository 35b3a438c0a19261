"""The exception of a run that was asked to stop."""


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM or the death of the table that started this run. Not an Exception: nothing should swallow it."""

    def __init__(self, number: int):
        super().__init__(f"signal {number}")
        self.signal = number
