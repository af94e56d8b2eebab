"""How a fetch ends when it does not end well.

FetchError
  FetchRefused   asking again does not help: the address is none that we fetch, or the answer is none that we take
  FetchFailed    it may go well later: no name service, no connection, no answer in time
"""


class FetchError(Exception):
    """`str(error)` says in a sentence what happened, for whoever wanted the page."""


class FetchRefused(FetchError):
    """Asking again does not help."""


class FetchFailed(FetchError):
    """It may go well later."""
