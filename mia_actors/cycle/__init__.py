"""One cycle per closed base bar: the decision core, the runner that drives it live, the backtest in one process."""
