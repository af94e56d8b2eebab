"""Fetching addresses that others chose, and posting to them: nothing but public web servers can be reached by it, and
none can harm.

`fetch.py` is the way in; `target.py` and `shared/addresses.py` (pure) say what is refused, `names.py` asks for
addresses.
"""

from shared.addresses import Allowed, read_networks
from shared.safe_http.errors import FetchError, FetchFailed, FetchRefused
from shared.safe_http.fetch import Fetched, Fetcher, Limits, Posted
from shared.safe_http.target import Target, read_target

__all__ = [
    "Allowed",
    "FetchError",
    "FetchFailed",
    "FetchRefused",
    "Fetched",
    "Fetcher",
    "Limits",
    "Posted",
    "Target",
    "read_networks",
    "read_target",
]
