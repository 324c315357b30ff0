"""Which model a worker holds next, decided from what waits: stay while there is work, and let no model starve."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from wayframe.workflow.queue.adapter import PRIORITY_STRIDE, Depth


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a worker sees: `waiting` by capability, only what it offers; what `others` hold, once for each of them.

    `holding` is what it has loaded, for `served` seconds by now; `busy` while a batch is in work; `promised` is what it
    left its last one for.
    """

    waiting: Mapping[str, Depth]
    holding: str | None = None
    busy: bool = False
    served: float = 0.0
    others: Collection[str] = ()
    promised: str | None = None


def next_capability(scene: Scene, *, max_wait: float) -> str | None:
    """The capability that the worker should hold from now on; the one that it holds when it should stay.

    It stays while its own has work. It leaves when another one has waited longer than `max_wait` seconds, nobody holds
    that one, and it has served its own as long: so two models with long queues take turns. Of what waits, the highest
    priority comes first, then what the fewest others hold for each batch that waits, then the run that was first.
    """
    if scene.holding is None and scene.promised in scene.waiting:
        return scene.promised
    starved = [name for name in scene.waiting if _starves(name, scene=scene, max_wait=max_wait)]
    if starved:
        return max(starved, key=lambda name: scene.waiting[name].age)
    if scene.holding is not None and (scene.busy or scene.holding in scene.waiting or not scene.waiting):
        return scene.holding
    return min(scene.waiting, key=lambda name: _rank(name, scene=scene), default=None)


def _starves(name: str, *, scene: Scene, max_wait: float) -> bool:
    if name == scene.holding or name in scene.others or scene.holding is None:
        return False
    return scene.waiting[name].age > max_wait and scene.served > max_wait


def _rank(name: str, *, scene: Scene) -> tuple[int, float, int]:
    depth, held = scene.waiting[name], list(scene.others).count(name)
    return depth.first // PRIORITY_STRIDE, held / depth.waiting, depth.first
