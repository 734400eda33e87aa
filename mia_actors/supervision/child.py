"""What a child is, and what it is given.

A child is a plain class; nothing in it knows of Ray:

```python
class Greeter:
    class Settings(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        greeting: str
    work_threads = 1                                    # calls served at a time; 1 when not given

    def __init__(self, settings: Settings, context: ChildContext) -> None: ...   # cheap, no I/O
    def start(self) -> None: ...                        # returns when it can serve; raising is a failed start,
                                                        # but `Declined` says that there is nothing to do
    def stop(self) -> None: ...                         # drain, quickly
    def greet(self, name: str) -> str: ...              # any other public method can be asked by name
```
"""

import importlib
import importlib.util
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn, cast

from pydantic import BaseModel, ValidationError

from mia_actors.core.clock import Clock
from mia_actors.core.errors import ConfigError
from mia_actors.supervision.activity import Activity
from mia_actors.supervision.spec import ChildSpec

if TYPE_CHECKING:  # a child knows nothing of Ray, which a reference to another one loads
    from mia_actors.supervision.ref import Ref

RESERVED_METHODS = frozenset({"start", "stop"})


class Declined(Exception):
    """Raised by `start`: the child has nothing to do and wants no process."""


def _nobody_asks() -> None:
    """For contexts made without a host."""


class ChildContext:
    """What a child may know of the tree it lives in."""

    def __init__(
        self,
        *,
        child_id: str,
        incarnation: int,
        session: Any,
        clock: Clock,
        refs: "Callable[[str], Ref]",
        finish: Callable[[], None],
        arm: Callable[[], None] = _nobody_asks,
        crash: Callable[[BaseException], NoReturn],
        activity: Activity | None = None,
    ) -> None:
        self.child_id = child_id
        self.incarnation = incarnation
        """Counts the lives of this child within a session, from 1; a higher one fences the lower ones."""
        self.session = session
        self.clock = clock
        self._refs = refs
        self._activity = activity or Activity(clock)
        self._finish = finish
        self._arm = arm
        self._crash = crash

    def ref(self, child_id: str) -> "Ref":
        """A way to ask another child by name, whichever incarnation of it lives; cheap, connects nothing."""
        return self._refs(child_id)

    def progress(self) -> None:
        """The call or loop of this thread has got on: it is not killed as hung for `progress_within_s` from now.

        A call that may take longer than that reports progress; waiting for another child's answer needs none.
        """
        self._activity.progress()

    def loop(self, name: str) -> AbstractContextManager[None]:
        """Has the loop that runs inside it watched: it must report `progress` at least every `progress_within_s`."""
        return self._activity.doing(name, noted_as=f"loop {name}")

    def armed(self) -> None:
        """This child is ready for everything, such as having reconciled with a broker; from any thread, once.

        One with `armed_within_s` is killed and restarted if it does not say so in time.
        """
        self._arm()

    def finish(self) -> None:
        """Ends this child in an orderly way: a transient or temporary child is not restarted after it.

        Its process is ended at once; a call being served may not get its answer through. For use from a
        child's own thread when its work is done.
        """
        self._finish()

    def crash(self, error: BaseException) -> NoReturn:
        """Ends this process at once with `error` as its last word, for use from a child's own threads."""
        self._crash(error)


def is_module(name: str) -> bool:
    """Whether a module of that name can be found; it is not imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def load_class(run: str) -> type[Any]:
    """The class named by `module:Class`.

    Raises:
        ConfigError: no such module or class, or the import raised.
    """
    module_name, _, class_name = run.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"module {module_name!r} cannot be imported ({cause}); allowed: module:Class"
        ) from error
    found = getattr(module, class_name, None)
    if isinstance(found, type):
        return found
    classes = [name for name, value in vars(module).items() if isinstance(value, type)]
    close = get_close_matches(class_name, classes, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"module {module_name!r} has no class {class_name!r}{hint}; allowed: module:Class")


def settings_model(child_class: type[Any]) -> type[BaseModel]:
    """The class's `Settings`.

    Raises:
        ConfigError: it has none, or lacks `start` or `stop`.
    """
    model = getattr(child_class, "Settings", None)
    name = f"{child_class.__module__}:{child_class.__qualname__}"
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigError(f"{name} has no pydantic model named Settings; a child class needs one")
    missing = [
        method for method in sorted(RESERVED_METHODS) if not callable(getattr(child_class, method, None))
    ]
    if missing:
        raise ConfigError(f"{name} has no method {missing[0]!r}; a child class needs start and stop")
    return model


def parse_settings(model: type[BaseModel], settings: dict[str, Any]) -> BaseModel:
    """Settings as the class wants them: strict, as JSON is read.

    Raises:
        pydantic.ValidationError: unknown key, missing key, wrong type or value.
    """
    return model.model_validate_json(json.dumps(settings), strict=True)


def load_function(path: str) -> Callable[..., Any]:
    """The function named by `module:function`.

    Raises:
        ConfigError: no such module or function, or the import raised.
    """
    module_name, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except Exception as error:
        raise ConfigError(f"{path!r} cannot be loaded ({error}); allowed: module:function") from error
    if not callable(found):
        raise ConfigError(f"{path!r} is not a function; allowed: module:function")
    return cast("Callable[..., Any]", found)


def check_child(spec: ChildSpec) -> None:
    """Loads the class and reads the settings as its host will.

    Raises:
        ConfigError: with the child's name and what is wrong.
    """
    try:
        model = settings_model(load_class(spec.run))
        parse_settings(model, spec.settings)
    except ConfigError as error:
        raise ConfigError(f"{spec.id}: {error}") from error
    except ValidationError as error:
        said = "\n".join(
            f"{spec.id}: settings.{'.'.join(map(str, found['loc']))}: {found['msg']}"
            for found in error.errors(include_url=False)
        )
        raise ConfigError(said) from error
