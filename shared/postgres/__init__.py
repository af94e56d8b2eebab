"""The private PostgreSQL under the data folder: nobody has to install, configure or start a database.

It listens on a Unix socket only, asks for a random password, and is a child of the process that starts it: when that
process ends, by whatever means, the server shuts down by itself. fsync stays on: what was committed survives all of it.

Layout of the data folder:
    postgres/data       the cluster; made under another name and renamed, so a half-made one is never used
    postgres/           the socket; the only folder that the server's user owns
    postgres.password   password of the role `postgres` (0600)
    postgres.log        what the server says
    database.url        the address, for psql and other tools (0600)
    lock                held while a supervisor uses this folder
"""

from shared.postgres.install import Interrupted, PostgresError
from shared.postgres.server import PrivatePostgres

__all__ = ["Interrupted", "PostgresError", "PrivatePostgres"]
