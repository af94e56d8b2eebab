"""The pages, a module each: ask the services, show a template."""
