"""A codec's failure: raised once, after what was decoded before it has been given."""

from modelmeter.errors import WireError

__all__ = ["Fault"]


class Fault:
    """
    Keeps a decoder's first failure until it can be raised without losing what came before it.

    A decoder that meets bytes it cannot read may hold results of the same chunk. It gives those
    first and raises at its next call; from then on it is silent and keeps nothing.
    """

    __slots__ = ("_error", "_met")

    def __init__(self) -> None:
        self._error: WireError | None = None
        self._met = False

    @property
    def met(self) -> bool:
        """A failure was met, raised or not."""
        return self._met

    @property
    def pending(self) -> bool:
        """A failure was met and not raised yet."""
        return self._error is not None

    def meet(self, error: WireError, *, results: object) -> None:
        """
        Take note of a failure.

        Raises:
            WireError: ``error``, at once, if ``results`` are empty.
        """
        self._met = True
        if not results:
            raise error
        self._error = error

    def settle(self) -> None:
        """
        Raise what was put off, once.

        Raises:
            WireError: the failure that `meet` put off.
        """
        error, self._error = self._error, None
        if error is not None:
            raise error
