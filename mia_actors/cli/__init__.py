"""The `mia` command."""
