"""`python -m shared.healthcheck PORT`: exit status 0 where the service on this port is ready. Containers are asked so.

It asks by the standard library alone, so that it is over in a moment: it runs every few seconds in each container.
"""

import http.client
import sys
from http import HTTPStatus

TIMEOUT_S = 4.0


def main(port: str) -> int:
    """1 while it is not ready, or nobody listens; stdout has what it says."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        print(answer.read().decode().strip())
    except (OSError, http.client.HTTPException) as error:
        print(error)
        return 1
    finally:
        connection.close()
    return int(answer.status != HTTPStatus.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
