"""Hosts that a supervisor left behind: Ray knows them by name, and each says itself who it is."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

from mia_actors.supervision.messages import HostIdentity

HOST_MARK = "-host-"
WARDEN_MARK = "-warden-"
ANSWER_WITHIN_S = 1.0
"""What a host of a supervisor that died has to say who it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundHost:
    """A host that a supervisor left behind, and what it says of itself."""

    host_id: str
    handle: Any
    identity: HostIdentity


def find_hosts(prefix: str, namespace: str, known: Mapping[str, HostIdentity]) -> list[FoundHost]:
    """Every host that Ray knows by a name beginning with `prefix`.

    One that does not answer in time is taken for what `known` says of it, not initialised; one of which
    nothing is known never got so far as to do anything, and is ended here. So are the wardens of that supervisor.
    """
    named = [
        one["name"]
        for one in ray.util.list_named_actors(all_namespaces=True)
        if one["namespace"] == namespace
    ]
    names = [name for name in named if name.startswith(prefix + HOST_MARK)]
    for name in named:
        if name.startswith(prefix + WARDEN_MARK):
            with suppress(ValueError, RayError):  # gone in the meantime
                ray.kill(ray.get_actor(name, namespace=namespace))
    handles: dict[str, Any] = {}
    for name in names:
        with suppress(ValueError):  # gone in the meantime
            handles[name] = ray.get_actor(name, namespace=namespace)
    asked = {handle.identity.remote(): name for name, handle in handles.items()}
    answered, _ = (
        ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_WITHIN_S) if asked else ([], [])
    )
    found: list[FoundHost] = []
    for pending, name in asked.items():
        identity = _answer(pending) if pending in set(answered) else known.get(name)
        if identity is not None:
            found.append(FoundHost(host_id=name, handle=handles[name], identity=identity))
        else:
            ray.kill(handles[name])
    return found


def _answer(pending: Any) -> HostIdentity | None:
    try:
        identity: HostIdentity = ray.get(pending)
    except RayError:
        return None
    return identity
