"""The commands: one file per group, one table for all (`table.py`)."""
