"""`python -m services.console`"""

from services.console.app import build
from shared.serve import main_of_client

main_of_client("console", build)
