"""`python -m services.outreach`"""

import shared.loading  # noqa: F401 - first
from services.outreach.app import build
from shared.serve import main

main("outreach", build)
