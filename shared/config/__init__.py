"""The configuration: YAML files -> typed structs, or an error that names file, line and reason."""

from shared.config.document import Document
from shared.config.errors import ConfigError
from shared.config.load import Config, load_config, unread

__all__ = ["Config", "ConfigError", "Document", "load_config", "unread"]
