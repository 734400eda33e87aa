"""Many backtests of one tape: variants of the settings, folds of the time, and how much the search explains."""
