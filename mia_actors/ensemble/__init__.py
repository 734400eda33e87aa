"""The three models: serving, training, validation and the registry of `models/`."""
