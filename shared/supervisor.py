"""All of Tasuki under one process: starts everything in order, keeps it running, and stops it in order.

Nothing outlives the supervisor, even when that is killed: the kernel then ends its children. It works in the main
thread alone, because that promise holds for the thread that starts a child.
"""

import os
import secrets
import signal
import time
from collections.abc import Sequence
from types import FrameType

from pydantic import ValidationError

from shared.files import write_private
from shared.keeper import Keeper, ServiceProcess, is_ready, say, start_python
from shared.ports import PortError, require_free_ports
from shared.postgres import PostgresError, PrivatePostgres
from shared.process import REFUSED, how_it_ended, on_stop_signals
from shared.settings import PROCESSES, ProcessName, Settings

_TICK = 0.1  # seconds between two looks at the children
_STOP_WITHIN = 8.8  # seconds for everything; what is left then ends at once
_FOR_POSTGRES = 2.0  # seconds of those that the services leave to PostgreSQL
_SAME_SIGNAL = 1.0  # seconds: make passes its group's signal on, so that one order may come twice


class StartError(Exception):
    """Tasuki cannot start; the message says what to do."""


class Supervisor:
    """`Supervisor(settings).run()` returns when a signal has asked it to stop and everything has ended.

    services: those to run; all unless told.
    """

    def __init__(self, settings: Settings, services: Sequence[ProcessName] = PROCESSES) -> None:
        self._settings = settings
        self._wanted = services
        self._postgres = None if settings.database_url else PrivatePostgres(settings.data_dir)
        self._services: list[ServiceProcess] = []
        self._asked_at: float | None = None
        self._at_once = False

    def run(self) -> None:
        """Starts everything and keeps it running until SIGINT, SIGTERM or SIGHUP. StartError when it cannot start."""
        on_stop_signals(self._on_signal)
        began = time.monotonic()
        try:
            self._start()
            self._keep(began)
        except (PostgresError, PortError) as error:
            if self._asked_at is None:
                raise StartError(str(error)) from error
        finally:
            self._stop()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
            if self._postgres is not None:
                self._postgres.interrupt()
        elif now - self._asked_at > _SAME_SIGNAL:
            self._at_once = True
            if self._postgres is not None:
                self._postgres.kill()

    def _start(self) -> None:
        settings = self._settings
        if self._postgres is not None:
            self._postgres.take_folder()
        require_free_ports(settings, self._wanted)
        url = settings.database_url
        if self._postgres is not None:
            url = self._postgres.start()
            say(f"PostgreSQL is running (private, in {settings.data_dir / 'postgres'})")
        environment = {**os.environ, "TASUKI_DATABASE_URL": str(url)}
        self._prepare({**environment, "TASUKI_ADMIN_KEY": settings.admin_key or self._own_admin_key()})
        if "console" in self._wanted and settings.console_secret is None:
            environment["TASUKI_CONSOLE_SECRET"] = self._own("console.secret", "console_secret")[0]
        if self._asked_at is None:
            self._services = [ServiceProcess(service, environment) for service in self._wanted]

    def _prepare(self, environment: dict[str, str]) -> None:
        """Checks the configuration and migrates the database, see shared/prepare.py."""
        process = start_python("shared.prepare", environment)
        while (status := process.poll()) is None:
            if self._asked_at is not None:
                process.kill()
            time.sleep(0.02)
        if status != 0 and self._asked_at is None:
            raise StartError(f"The start was given up ({how_it_ended(status)}); the reason stands above.")

    def _own_admin_key(self) -> str:
        key, is_new = self._own("admin.key", "admin_key")
        if is_new:
            say(f"the admin key, shown only this once: {key}")
        return key

    def _own(self, name: str, setting: str) -> tuple[str, bool]:
        """A secret of this installation, from its file in the data folder, and whether it was made just now. StartError
        when the file holds what the setting would not take."""
        path = self._settings.data_dir / name
        is_new = not path.exists()
        if is_new:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path, secrets.token_urlsafe(32) + "\n")
        secret = path.read_text().strip()
        try:
            Settings.model_validate({setting: secret})
        except ValidationError as error:  # which tells the secret
            raise StartError(
                f"{path} holds no secret that would do ({error.errors()[0]['msg']}): remove it, and a new one is made."
            ) from None
        return secret, is_new

    def _keep(self, began: float) -> None:
        kept = [Keeper(child.service, child) for child in self._services]
        if self._postgres is not None:
            kept.insert(0, Keeper("PostgreSQL", self._postgres))
        announced = False
        while self._asked_at is None:
            if not announced:
                self._give_up_if_refused()
            for keeper in kept:
                keeper.look()
            if not announced and self._all_ready():
                self._announce(time.monotonic() - began)
                announced = True
            time.sleep(_TICK)

    def _give_up_if_refused(self) -> None:
        """A service that refuses its configuration would refuse it again; later, when others run, it is kept trying."""
        for child in self._services:
            if child.ended() == REFUSED:
                raise StartError(f"The start was given up: {child.service} refused its configuration, see above.")

    def _all_ready(self) -> bool:
        settings = self._settings
        return all(is_ready(settings.host, settings.port(child.service)) for child in self._services)

    def _announce(self, took: float) -> None:
        say(f"ready after {took:.1f} s; Ctrl-C stops everything")
        for name in self._wanted:
            url = self._settings.url(name)
            say(f"  {name:<8} {url}  " + ("(for people)" if name == "console" else f"(its API: {url}/docs)"))
        key = "from TASUKI_ADMIN_KEY" if self._settings.admin_key else f"in {self._settings.data_dir / 'admin.key'}"
        say(f"  admin key {key}")

    def _stop(self) -> None:
        """Services first, so that they can finish their transactions; then PostgreSQL."""
        deadline = time.monotonic() + _STOP_WITHIN
        for child in self._services:
            child.send(signal.SIGTERM)
        while any(child.ended() is None for child in self._services):
            if self._at_once or time.monotonic() > deadline - _FOR_POSTGRES:
                for child in self._services:
                    child.send(signal.SIGKILL)
            time.sleep(0.02)
        if self._postgres is not None:
            self._postgres.stop(fast_within=0 if self._at_once else deadline - time.monotonic())
        if self._asked_at is not None:
            say("stopped")
