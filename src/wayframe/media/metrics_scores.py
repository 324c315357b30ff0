"""What the series of a video come down to: a score for each join, motion, flicker, frozen frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wayframe.media.metrics_series import Numbers, Series, short

_AROUND = 12
"""Steps on each side of a join that it is held against."""
_LEAST_COMPENSATED, _LEAST_SHARPNESS, _LEAST_LUMA = 0.5, 0.05, 0.5
"""Steps below these are not seen nor told from an encoder's work: grey levels, natural logarithm, grey levels."""
_HIGH_PERCENTILE = 95.0
_SLIGHT, _VISIBLE = 2.0, 4.0
"""Scores from which a join stands out. Seen in trips through photographs: 1 to 2 where segments meet in a keyframe,
2 to 2.7 where they are chained, 3 to 10 in a blend of two motions (the sharpness of a double exposure), above 20 at
cuts.
"""

Signal: TypeAlias = Literal["change", "sharpness", "luma"]
Verdict: TypeAlias = Literal["even", "slight", "visible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPlace:
    """Where two segments meet: the frames `start` to `start + overlap` (exclusive) belong to both.

    With an overlap of 0 the right segment begins at `start`.
    """

    start: int
    overlap: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The largest step inside a join, the usual (median) one around it, and the first in units of the second.

    Both are taken as at least what can be seen, so that two invisible steps have the ratio 1.
    """

    inside: float
    around: float
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinScore:
    """How much a join stands out from the 12 steps on each side of it (steps of other joins and repeats left out).

    `compensated` in grey levels that motion does not explain, `sharpness` as the change of its natural logarithm,
    `luma` as the change of the mean in grey levels; `score` is the largest of the three ratios: about 1 or less for a
    join that is no different from its surroundings.
    """

    start: int
    overlap: int
    score: float
    compensated: Step
    sharpness: Step
    luma: Step

    @property
    def signal(self) -> Signal:
        """What stands out most."""
        ratios: dict[Signal, float] = {
            "change": self.compensated.ratio,
            "sharpness": self.sharpness.ratio,
            "luma": self.luma.ratio,
        }
        return max(ratios, key=lambda name: ratios[name])

    @property
    def verdict(self) -> Verdict:
        """The score in a word."""
        if self.score >= _VISIBLE:
            return "visible"
        return "slight" if self.score >= _SLIGHT else "even"

    def to_json(self) -> dict[str, Any]:
        """The score as plain data."""
        signals = {
            name: {key: short(value) for key, value in asdict(step).items()}
            for name, step in (("compensated", self.compensated), ("sharpness", self.sharpness), ("luma", self.luma))
        }
        place = {"start": self.start, "overlap": self.overlap}
        return {**place, "score": short(self.score), "verdict": self.verdict, "signal": self.signal, **signals}


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Motion a frame in fractions of the width: the median over all steps, and what 5 in 100 steps exceed."""

    median: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenRange:
    """The frames `start` to `stop` (exclusive) all show what frame `start - 1` shows."""

    start: int
    stop: int


def score_joins(series: Series, *, joins: Sequence[JoinPlace]) -> tuple[JoinScore, ...]:
    """The score of each join, in their order."""
    signals = (
        (series.compensated, _LEAST_COMPENSATED),
        (_steps(np.log(series.sharpness + 1)), _LEAST_SHARPNESS),
        (_steps(series.luma), _LEAST_LUMA),
    )
    usual = ~series.repeated
    usual[:1] = False
    for join in joins:
        usual[join.start : join.start + join.overlap + 1] = False
    return tuple(_score(join, *(_step(values, join, usual, least) for values, least in signals)) for join in joins)


def _score(join: JoinPlace, compensated: Step, sharpness: Step, luma: Step) -> JoinScore:
    return JoinScore(
        start=join.start,
        overlap=join.overlap,
        score=max(compensated.ratio, sharpness.ratio, luma.ratio),
        compensated=compensated,
        sharpness=sharpness,
        luma=luma,
    )


def _step(values: Numbers, join: JoinPlace, usual: NDArray[np.bool_], least: float) -> Step:
    first, last = join.start, join.start + join.overlap + 1
    near = slice(max(0, first - _AROUND), last + _AROUND)
    around = values[near][usual[near]]
    most, median = float(values[first:last].max()), float(np.median(around)) if len(around) else 0.0
    return Step(inside=most, around=median, ratio=max(most, least) / max(median, least))


def _steps(values: Numbers) -> Numbers:
    return np.abs(np.diff(values, prepend=values[:1]))


def motion(series: Series) -> Motion:
    """Median and 95th percentile of the motion; 0 for a single frame."""
    steps = series.motion[1:]
    if not len(steps):
        return Motion(median=0.0, high=0.0)
    return Motion(median=float(np.median(steps)), high=float(np.percentile(steps, _HIGH_PERCENTILE)))


def flicker(series: Series) -> float:
    """By how many grey levels the mean luma of a frame strays, on average, from the median of it and its neighbours.

    Fades and cuts, which go one way, count nothing; light that comes and goes within a frame or two counts in full.
    """
    luma = series.luma
    inner = luma[1:-1]
    if not len(inner):
        return 0.0
    medians = np.median(np.stack([luma[:-2], inner, luma[2:]]), axis=0)
    return float(np.abs(inner - medians).mean())


def frozen(series: Series) -> tuple[FrozenRange, ...]:
    """The runs of frames that repeat the frame before them."""
    edges = np.flatnonzero(np.diff(series.repeated.astype(np.int8), prepend=0, append=0))
    return tuple(
        FrozenRange(start=int(start), stop=int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)
    )
