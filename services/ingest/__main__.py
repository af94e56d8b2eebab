"""`python -m services.ingest` runs ingest."""

from services.ingest.app import build
from shared.serve import main

if __name__ == "__main__":
    main("ingest", build)
