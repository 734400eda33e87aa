"""One cycle per closed base bar: decision core, engine, live runner, backtest in one process."""
