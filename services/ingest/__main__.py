"""`python -m services.ingest` runs ingest."""

import shared.loading  # noqa: F401 - first
from services.ingest.app import build
from shared.serve import main

if __name__ == "__main__":
    main("ingest", build)
