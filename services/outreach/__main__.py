"""`python -m services.outreach`"""

from services.outreach.app import build
from shared.serve import main

main("outreach", build)
