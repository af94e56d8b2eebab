"""`python -m services.console`"""

import shared.loading  # noqa: F401 - first
from services.console.app import build
from shared.serve import main_of_client

main_of_client("console", build)
