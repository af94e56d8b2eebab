"""Asking the name service for the addresses of a name."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

from shared.safe_http.errors import FetchFailed, FetchRefused

Resolve = Callable[[str], Awaitable[list[str]]]
"""Host name -> its addresses, each once, in the order in which to try them. Raises FetchError."""

_UNKNOWN = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


async def resolve(host: str) -> list[str]:
    """The addresses of a name as this machine knows it. Raises FetchFailed, FetchRefused."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def tell(found: list[str] | Exception) -> None:
        if answer.done():  # nobody waits any more
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        found = _ask(host)
        with suppress(RuntimeError):  # the loop has been closed, nobody waits any more
            loop.call_soon_threadsafe(tell, found)

    # A daemon: a name server that keeps silent for half a minute must not keep the process from ending.
    threading.Thread(target=ask, name="resolve", daemon=True).start()
    return await answer


def _ask(host: str) -> list[str] | Exception:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _UNKNOWN:
            return FetchFailed("no name service knows the host")
        return FetchFailed("the name service does not answer")
    except (OSError, UnicodeError):
        return FetchRefused("the host can be no name")
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
