"""Dense optical flow between two pictures, and the pictures between them.

The flow is DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) as OpenCV has it. It is
computed on small pictures whose light is evened out, so that the same place at another hour still matches. OpenCV cuts
the search into a fixed number of stripes: the result does not depend on the number of threads.

Flows are (height, width, 2) float32 in pixels, x before y: the point p of the source is at p + flow[p] in the target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from wayframe.camera import WHOLE, Picture, View, crisp, look, read_at, reading, softness

Field: TypeAlias = NDArray[np.float32]
Affine: TypeAlias = NDArray[np.float64]

_WORK_PIXELS = 384 * 288
_SMALLEST_SIDE = 16  # OpenCV's DIS reads outside of smaller pictures
_LIGHT_SIGMA = 10.0  # working pixels over which light and contrast are evened out
_FLAT = 6.0  # grey levels of contrast below which a place counts as flat
_CONTRAST = 40.0  # grey levels that one unit of evened contrast takes
_STEPS_TO_INVERT = 3
_FAR = 0.02  # trust around a place below which wider surroundings take over
_STRAY = 2.0  # working pixels by which a point may go another way
_UNTRUSTED, _OUTSIDE = 0.12, 0.003  # weights of places that are not believed, and of those beyond the border
_LIGHT_CELL = 8  # working pixels below which a difference is detail, not light
_BORDER = 6.0  # working pixels over which a picture fades out where another shows what is beyond it
_NO_TRUST, _FULL_TRUST = 0.27, 0.42  # below: a dissolve without motion; above: motion in full


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPair:
    """Two pictures of one size, analysed once by `FlowPair.of`; every `frame` in between costs the same.

    `trust` tells from 0 to 1 how well motion explains the step from one picture to the other, and `warp` the share of
    the motion that is shown: 0 for pictures that do not belong together, which get a plain dissolve.
    """

    first: Picture
    last: Picture
    trust: float
    warp: float
    ahead: Motion
    behind: Motion

    @classmethod
    def of(cls, *, first: Picture, last: Picture) -> FlowPair:
        """Analyse two (height, width, 3) RGB pictures; ValueError when their sizes differ."""
        if first.shape != last.shape:
            raise ValueError(f"pictures of one size are needed, not {first.shape} and {last.shape}")
        small_first, small_last = _small(first), _small(last)
        start, end = evened(small_first), evened(small_last)
        match = _best_match(start=start, end=end)
        share = smooth((match.trust - _NO_TRUST) / (_FULL_TRUST - _NO_TRUST))
        common = _common_motion(match.ahead, match.ahead_evidence)
        toward = _filled(match.ahead, match.ahead_evidence.trust, common=common) * np.float32(share)
        back = _filled(match.behind, match.behind_evidence.trust, common=_inverse(common)) * np.float32(share)
        first_weight, last_weight = (
            _weight(evidence.trust, share) for evidence in (match.ahead_evidence, match.behind_evidence)
        )
        return cls(
            first=first,
            last=last,
            trust=match.trust,
            warp=share,
            ahead=Motion(small=_field(small_first), even=start, flow=toward, weight=first_weight),
            behind=Motion(small=_field(small_last), even=end, flow=back, weight=last_weight),
        )

    @property
    def way(self) -> tuple[float, float]:
        """How far (right, down) most of the picture moves from first to last, in pixels; 0 for a dissolve."""
        right, down = np.median(self.ahead.flow.reshape(-1, 2), axis=0) * np.array(self._ratio)
        return float(right), float(down)

    def frame(self, t: float, *, view: View = WHOLE) -> Picture:
        """The picture at time `t` seen through `view`: exactly `first` at t <= 0 and `last` at t >= 1."""
        if t <= 0:
            return look(self.first, view=view)
        if t >= 1:
            return look(self.last, view=view)
        late = smooth(t)
        if self.warp == 0:
            return look(_picture(cv2.addWeighted(self.first, 1 - late, self.last, late, 0)), view=view)
        velocity = self._velocity(t)
        since, until = velocity * np.float32(-t), velocity * np.float32(1 - t)
        start_weight = _counts(self.ahead, at=since, velocity=velocity) * np.float32(1 - late)
        end_weight = _counts(self.behind, at=until, velocity=-velocity) * np.float32(late)
        lacking = np.float32(late) - end_weight / (start_weight + end_weight)
        light = self._later_light(since, until) * lacking[..., None]
        right, down, first_share, last_share = (
            _through(_field(plane), view=view, size=(self.first.shape[1], self.first.shape[0]))
            for plane in (velocity[..., 0], velocity[..., 1], start_weight, end_weight)
        )
        right, down = right * self._ratio[0], down * self._ratio[1]
        start = reading(view, x=right * np.float32(-t), y=down * np.float32(-t))
        end = reading(view, x=right * np.float32(1 - t), y=down * np.float32(1 - t))
        mixed = cv2.blendLinear(read_at(self.first, start), read_at(self.last, end), first_share, last_share)
        drawn = crisp(_picture(mixed), lost=softness(start) * (1 - late) + softness(end) * late)
        size = (self.first.shape[1], self.first.shape[0])
        return _picture(cv2.add(drawn, _through(_field(light), view=view, size=size), dtype=cv2.CV_8U))

    @property
    def _ratio(self) -> tuple[np.float32, np.float32]:
        height, width = self.ahead.even.shape
        return np.float32(self.first.shape[1] / width), np.float32(self.first.shape[0] / height)

    def _later_light(self, since: Field, until: Field) -> Field:
        """By how much the light of each neighbourhood differs in the last picture, without any detail.

        The weights choose whose detail a place shows; the light must not follow them, or it would change in blotches.
        """
        start, end = _sampled(self.ahead.small, since), _sampled(self.behind.small, until)
        height, width = since.shape[:2]
        cells = -(-width // _LIGHT_CELL), -(-height // _LIGHT_CELL)
        even = cv2.GaussianBlur(cv2.resize(end - start, cells, interpolation=cv2.INTER_AREA), (0, 0), 1.5)
        return _field(cv2.resize(even, (width, height), interpolation=cv2.INTER_LINEAR))

    def _velocity(self, t: float) -> Field:
        """The motion (whole way, first to last) of each point of the picture at `t`.

        Both flows propose one; the one under which the two pictures look more alike counts more.
        """
        from_first, from_last = _passing(self.ahead.flow, after=t), -_passing(self.behind.flow, after=1 - t)
        first_error, last_error = self._unlike(from_first, t) ** 2, self._unlike(from_last, t) ** 2
        share = (last_error / (first_error + last_error))[..., None]
        return _field(from_first * share + from_last * (1 - share))

    def _unlike(self, velocity: Field, t: float) -> Field:
        start = _sampled(self.ahead.even, velocity * np.float32(-t))
        end = _sampled(self.behind.even, velocity * np.float32(1 - t))
        return _field(cv2.blur((start - end) ** 2, (_ALIKE_WINDOW, _ALIKE_WINDOW))) + np.float32(0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """One picture at working size (RGB, and luma `evened`), its flow to the other, and how much each point counts."""

    small: Field
    even: Field
    flow: Field
    weight: Field


def smooth(t: float) -> float:
    """Smoothstep 3t^2 - 2t^3 from 0 at t <= 0 to 1 at t >= 1, at rest at both ends."""
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


def _small(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    scale = min(1.0, float(np.sqrt(_WORK_PIXELS / (height * width))))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return _picture(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def evened(picture: Picture) -> Field:
    """Luma with local mean 0 and local contrast 1 at most: flat places stay near 0."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    level = luma - cv2.GaussianBlur(luma, (0, 0), _LIGHT_SIGMA)
    contrast = cv2.sqrt(cv2.GaussianBlur(level * level, (0, 0), _LIGHT_SIGMA))
    return _field(level / (contrast + np.float32(_FLAT)))


def _flow(*, source: Field, target: Field, guess: Affine) -> Field:
    """DIS flow between two evened pictures, searched around the affine `guess`; too small pictures follow the guess."""
    height, width = source.shape
    met = cv2.warpAffine(
        target, guess, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    found = np.zeros((height, width, 2), np.float32)
    if min(source.shape) >= _SMALLEST_SIDE:
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        found = _field(search.calc(_grey(source), _grey(_field(met)), None))
    return _mapped(np.dstack(_targets(found)), guess) - np.dstack(_targets(np.zeros_like(found)))


def _grey(even: Field) -> Picture:
    return _picture(np.clip(even * np.float32(_CONTRAST) + np.float32(128), 0, 255).astype(np.uint8))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """For each point: whether its flow is believed (0 to 1), and how much there is to see at all."""

    trust: Field
    detail: Field


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    ahead: Field
    behind: Field
    ahead_evidence: _Evidence
    behind_evidence: _Evidence

    @property
    def trust(self) -> float:
        """Trust in the whole, each place counting by its detail; featureless pictures show no motion to trust."""
        both = (self.ahead_evidence, self.behind_evidence)
        detail = sum(float(part.detail.sum()) for part in both)
        believed = sum(float((part.trust * part.detail).sum()) for part in both)
        return believed / detail if detail > 0 else 0.0


def _best_match(*, start: Field, end: Field) -> _Match:
    """The flow both ways; a large move of the whole picture is searched again from where the last search left it."""
    best = _match(start=start, end=end, guess=_STILL)
    if best.trust < _FULL_TRUST:
        best = max(
            best, _match(start=start, end=end, guess=_shift(start=start, end=end)), key=lambda match: match.trust
        )
    for _ in range(_MORE_SEARCHES):
        if not _LEAST_TRUST < best.trust < _ENOUGH_TRUST:
            break
        again = _match(start=start, end=end, guess=_common_motion(best.ahead, best.ahead_evidence))
        if again.trust < best.trust + _WORTHWHILE:
            break
        best = again
    return best


def _shift(*, start: Field, end: Field) -> Affine:
    """The shift of the whole picture by phase correlation, which sees farther than the search for flow."""
    if min(start.shape) < _SMALLEST_SIDE:
        return _STILL
    window = cv2.createHanningWindow((start.shape[1], start.shape[0]), cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(start.copy(), end.copy(), window)  # writes the window into its arguments
    return np.array([[1.0, 0.0, right], [0.0, 1.0, down]])


_MORE_SEARCHES = 3
_LEAST_TRUST, _ENOUGH_TRUST, _WORTHWHILE = 0.03, 0.9, 0.01
_STILL: Affine = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def _match(*, start: Field, end: Field, guess: Affine) -> _Match:
    ahead = _flow(source=start, target=end, guess=guess)
    behind = _flow(source=end, target=start, guess=_inverse(guess))
    return _Match(
        ahead=ahead,
        behind=behind,
        ahead_evidence=_evidence(start=start, end=end, flow=ahead, returning=behind),
        behind_evidence=_evidence(start=end, end=start, flow=behind, returning=ahead),
    )


def _common_motion(flow: Field, evidence: _Evidence) -> Affine:
    """The affine map that most of the believed points follow (least squares, reweighted by what does not fit)."""
    every = slice(None, None, _FIT_STRIDE)
    believed = (evidence.trust * evidence.detail)[every, every].reshape(-1).astype(np.float64)
    rows, columns = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]][:, every, every].reshape(2, -1).astype(np.float64)
    places = np.stack([columns, rows, np.ones_like(rows)], axis=1)
    goals = places[:, :2] + flow[every, every].reshape(-1, 2)
    weight = believed
    for _ in range(_FIT_ROUNDS):
        weighted = places * weight[:, None]
        normal = weighted.T @ places + np.eye(3) * _FIT_DAMPING
        fit = np.linalg.solve(normal, weighted.T @ goals + _STILL.T * _FIT_DAMPING)
        misfit = np.hypot(*(places @ fit - goals).T)
        weight = believed / (1 + (misfit / _FIT_SCALE) ** 2)
    return np.ascontiguousarray(fit.T)


_FIT_STRIDE, _FIT_ROUNDS, _FIT_SCALE, _FIT_DAMPING = 4, 5, 2.0, 1e-3


def _evidence(*, start: Field, end: Field, flow: Field, returning: Field) -> _Evidence:
    """Believe a flow that comes back to where it started and whose ends look alike."""
    astray = _length(flow + _sampled(returning, flow))
    returns = cv2.exp(-((astray / (np.float32(1.3) + np.float32(0.04) * _length(flow))) ** 2))
    arrived = _sampled(end, flow)
    unlike = cv2.GaussianBlur((start - arrived) ** 2, (0, 0), _ALIKE_SIGMA)
    detail = cv2.GaussianBlur(start * start + arrived * arrived, (0, 0), _ALIKE_SIGMA)
    alike = cv2.exp(-unlike / (np.float32(0.3) + np.float32(0.75) * detail))
    return _Evidence(trust=_field(cv2.GaussianBlur(returns * alike, (0, 0), _TRUST_SIGMA)), detail=_field(detail))


_ALIKE_SIGMA, _TRUST_SIGMA, _ALIKE_WINDOW = 4.0, 2.0, 9


def _inverse(guess: Affine) -> Affine:
    return np.asarray(cv2.invertAffineTransform(guess), dtype=np.float64)


def _filled(flow: Field, trust: Field, *, common: Affine) -> Field:
    """`flow` where it is believed; elsewhere what ever wider surroundings do, and at last the common motion."""
    width = trust.shape[1]
    alone = cv2.blur(trust, (width // 24 * 2 + 1, width // 24 * 2 + 1))  # an island of trust in doubt is chance
    sure = np.clip((trust - np.float32(0.2)) * 2, 0, 1) * np.clip((alone - np.float32(0.15)) * 4, 0, 1)
    still = np.dstack(_targets(np.zeros_like(flow)))
    filled = _mapped(still, common) - still
    for window in (width // 6, width // 16, width // 40):
        size = (window * 2 + 1, window * 2 + 1)
        near = cv2.blur(cv2.blur(sure, size), size)[..., None]
        moving = cv2.blur(cv2.blur(flow * sure[..., None], size), size)
        filled = (moving + filled * np.float32(_FAR)) / (near + np.float32(_FAR))
    return _field(flow * sure[..., None] + filled * (1 - sure[..., None]))


def _mapped(points: Field, guess: Affine) -> Field:
    return _field(cv2.transform(points, guess))


def _weight(trust: Field, share: float) -> Field:
    height, width = trust.shape
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]).astype(np.float32) for n in (height, width))
    from_border = np.minimum(rows[:, None], columns[None, :])
    fade = np.clip((from_border + np.float32(1)) / np.float32(_BORDER), 0, 1)
    return _field((np.float32(_UNTRUSTED) + np.float32(share) * trust) * fade)


def _counts(motion: Motion, *, at: Field, velocity: Field) -> Field:
    """How much the point p + at[p] of a picture counts: believed, within the border, and going the same way.

    What goes another way is something that hides, or is hidden by, what stands at p.
    """
    strays = _length(_sampled(motion.flow, at) - velocity) / np.float32(_STRAY)
    weight = cv2.remap(motion.weight, *_targets(at), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return _field(weight * (np.float32(0.05) + cv2.exp(-(strays**2))) + np.float32(_OUTSIDE))


def _passing(flow: Field, *, after: float) -> Field:
    """The flow of what passes each point `after` part of its way: the fixed point of v(p) = flow(p - after * v(p))."""
    velocity = flow
    for _ in range(_STEPS_TO_INVERT):
        velocity = _sampled(flow, velocity * np.float32(-after))
    return velocity


def _through(field: Field, *, view: View, size: tuple[int, int]) -> Field:
    """A working-size field at output size (width, height), as the camera sees it; pixel centres stay in place."""
    ratio_x, ratio_y = field.shape[1] / size[0], field.shape[0] / size[1]
    matrix = np.array(
        [
            [view.scale * ratio_x, 0, (view.left + 0.5) * ratio_x - 0.5],
            [0, view.scale * ratio_y, (view.top + 0.5) * ratio_y - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return _field(cv2.warpAffine(field, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _sampled(field: Field, flow: Field) -> Field:
    """`field` read at p + flow[p] for every point p; beyond the border its last value goes on."""
    return _field(cv2.remap(field, *_targets(flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _targets(flow: Field) -> tuple[Field, Field]:
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return _field(x), _field(y)


def _length(flow: Field) -> Field:
    return _field(cv2.magnitude(flow[..., 0], flow[..., 1]))


def _field(values: object) -> Field:
    return np.asarray(values, dtype=np.float32)


def _picture(values: object) -> Picture:
    return np.asarray(values, dtype=np.uint8)
