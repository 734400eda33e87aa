"""The error tree: each class says who reacts and how.

```text
MiaError
|- ConfigError            refuse to start, exit 2, never restarted
|- TransientError         bounded retry, then crash and let the supervisor decide
|  |- BrokerDisconnected  the session is gone: reconnect, reconcile, then repeat what may be repeated
|  |- PacingExceeded      slow down, then repeat
|  |- DataStale           no entries until the stream is fresh
|  |- PermitStale         the permit ran out on its way: ask the guardian for a new one
|  `- TargetUnavailable   an actor did not come back within its limit
|- PermanentError         report, never retry
|  |- OrderRejected       the broker said no: the decision is recorded as refused
|  |- PermissionMissing   the account or session may not do this
|  `- InputQuarantined    whoever served this input died of it too often: go on without it
`- InvariantViolated      bug or corrupt state: crash now; the guardian flattens if the position is unknown
```
"""


class MiaError(Exception):
    """Root of every error this system raises on purpose."""


class ConfigError(MiaError):
    """Refuse to start: the message names file, line, key, what is wrong and what is allowed."""


class TransientError(MiaError):
    """Worth a bounded retry by the caller; after that the caller crashes."""


class BrokerDisconnected(TransientError):
    """The broker session is gone; nothing in flight is known until it was reconciled."""


class PacingExceeded(TransientError):
    """The broker's message rate limit was hit; repeat later."""


class DataStale(TransientError):
    """The newest bar is older than the configured limit; no entries until it is fresh."""


class PermitStale(TransientError):
    """The permit expired, or a newer epoch was seen; a new one may be asked for."""


class TargetUnavailable(TransientError):
    """The asked actor had no living incarnation within the caller's limit."""


class PermanentError(MiaError):
    """Never retried; reported and recorded."""


class OrderRejected(PermanentError):
    """The broker refused an order."""


class PermissionMissing(PermanentError):
    """The account, session or data subscription may not do what was asked."""


class InputQuarantined(PermanentError):
    """The asked actor died of this input too often; it refuses it from now on and serves all others."""


class InvariantViolated(MiaError):
    """A bug or corrupt state: the process that raises it must end at once."""
