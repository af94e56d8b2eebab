"""`python -m services.metrics`"""

from services.metrics.app import build
from shared.serve import main

main("metrics", build)
