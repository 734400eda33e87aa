"""Interactive Brokers in and out: the only importer of ib_insync or ib_async."""
