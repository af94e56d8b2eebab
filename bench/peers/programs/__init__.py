"""The peers themselves, one a module: `floor` runs in Tasuki's environment, the others in one of their own."""
