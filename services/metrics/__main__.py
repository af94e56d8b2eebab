"""`python -m services.metrics`"""

from shared.serve import main

from services.metrics.app import build

main("metrics", build)
