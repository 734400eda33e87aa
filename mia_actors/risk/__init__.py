"""How much, and where the stop and target stand: gamma cycle, Kelly, brackets, sizing. Pure."""
