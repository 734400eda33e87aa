"""The simulated market: tape, synthetic bars, expansion to 5-second bars, matching and account."""
