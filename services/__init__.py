"""Tasuki's services. Each is a process of its own and owns one PostgreSQL schema."""
