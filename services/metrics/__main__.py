"""`python -m services.metrics`"""

import shared.loading  # noqa: F401 - first
from services.metrics.app import build
from shared.serve import main

main("metrics", build)
