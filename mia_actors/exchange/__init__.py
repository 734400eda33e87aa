"""The simulated market: tape, expansion, matching, account; the TWS gateway in front of it."""
