"""Trips that use one feature each, and their golden plans.

`PYTHONPATH=tests python -m core.golden_features` writes the plans anew after a change that is meant.
"""

from __future__ import annotations

from core.golden import FOLDER, as_text
from core.trips import VACE, Data, Planned, planned, stills

LOOK: Data = {
    "model": VACE,
    "preset": "lightning_baseline_2_2_2",
    "look": {"colour_match": 0.8, "saturation": 1.1},
}


def _with(data: Data, at: int, **said: object) -> Data:
    """The spec, with more words of its keyframe `at`."""
    data["keyframes"][at].update(said)
    return data


FEATURES: dict[str, Data] = {
    "plan_look.json": _with(stills(3, **LOOK), 1, look={"saturation": 0.9, "brightness": -0.05}),
}


def feature(name: str) -> Planned:
    return planned(FEATURES[name])


if __name__ == "__main__":
    for name in FEATURES:
        (FOLDER / name).write_text(as_text(feature(name).whole))
