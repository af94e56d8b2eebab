"""What every Tasuki service is built from. Services import this package, never each other."""
