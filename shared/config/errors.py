"""The one error of the configuration."""


class ConfigError(Exception):
    """The configuration does not load. The text reads `config/team.yaml:12: what is wrong and what to do`."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(f"{file}:{line}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason
