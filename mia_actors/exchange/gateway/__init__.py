"""A simulated TWS gateway: the TWS wire protocol in front of the simulated exchange, as its own process."""
