"""The journals: SQLite databases in WAL mode, one writer each."""
