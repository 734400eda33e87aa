"""The HTML report of a backtest: figures, pictures and sentences, each of them from the ledger or a stored decision."""
