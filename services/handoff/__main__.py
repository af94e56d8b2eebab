"""`python -m services.handoff`"""

import shared.loading  # noqa: F401 - first
from services.handoff.app import build
from shared.serve import main

main("handoff", build)
