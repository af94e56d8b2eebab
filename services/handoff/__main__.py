"""`python -m services.handoff`"""

from services.handoff.app import build
from shared.serve import main

main("handoff", build)
