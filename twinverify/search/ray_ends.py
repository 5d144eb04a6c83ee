"""How a run of Ray Tune ends where Tune has no way for it; no `Exception`, which Tune would catch."""


class Aborted(BaseException):
    """Carries an error of ours through Ray Tune, which would turn an Exception into text and wait for every worker."""

    def __init__(self, error: Exception) -> None:
        """Carry `error`."""
        super().__init__(str(error))
        self.error = error


class AllDone(BaseException):
    """Nothing is left to do; Ray Tune would wait some seconds for its workers to tidy up what is not needed."""


class RayDied(BaseException):
    """One of Ray's servers is gone: Ray Tune would wait for ever, or let every trial fail."""
