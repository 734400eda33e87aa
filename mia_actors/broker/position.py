"""The account's position by two words that must agree, so that it need not be asked before every order. Pure."""


class HeardPosition:
    """The position as streamed, checked against the executions heard. Not thread-safe: the session guards it."""

    def __init__(self) -> None:
        self._told: int | None = None
        self._unexplained: int | None = None  # what the executions heard do not explain of the last answer

    def told(self, contracts: int) -> None:
        """Takes a position the broker streamed."""
        self._told = contracts

    def asked(self, contracts: int, *, executed: int) -> None:
        """Takes the broker's answer, and the signed sum of the executions heard by then."""
        self._told = contracts
        self._unexplained = contracts - executed

    def agreed(self, executed: int) -> int | None:
        """The position; None where the stream and the executions differ, or nothing was ever asked."""
        if self._unexplained is None or self._told != self._unexplained + executed:
            return None
        return self._told
