"""The mentor: what the session's ledger says about the trading, told to a person."""
