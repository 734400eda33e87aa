"""Evidence: what the strategies earned on real data after costs, year by year, and whether chance explains it."""
