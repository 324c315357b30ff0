"""What the videos show: where they part, whether that is more than noise, and how each of them does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wayframe.core.comparison import Comparison, Topic, Verdict
from wayframe.core.dossier import Dossier, NoiseFloor, VideoPair, aligned_spans
from wayframe.report.document import Block, Paragraph, Player, Row, Table, Tone, strong, words
from wayframe.report.values import letter, segments_text


def video_blocks(dossier: Dossier) -> Iterator[Block]:
    """For each pair of videos: the player, where they part, the noise floor, metrics."""
    for at, (comparison, pair) in enumerate(zip(dossier.comparisons, dossier.videos, strict=True), start=1):
        names = letter(0), letter(at)
        if len(dossier.comparisons) > 1 and pair is not None:
            yield Paragraph(text=words(strong(f"{names[0]} against {names[1]}")))
        yield from _player(dossier, comparison, at=at, names=names)
        if pair is not None:
            yield from _parted(pair, names=names, alone=_alone(comparison, names=names))
            yield from _noise(dossier.noise, pair)
            if pair.measured is not None:
                yield from _metrics(pair.measured, names=names)


def _player(dossier: Dossier, comparison: Comparison, *, at: int, names: tuple[str, str]) -> Iterator[Block]:
    first, second = dossier.clips[0], dossier.clips[at]
    if first is not None and second is not None:
        spans = aligned_spans(comparison.pairs, a=first, b=second)
        whole = ((0, first.frames - 1), (0, second.frames - 1))
        yield Player(labels=names, clips=(first, second), spans=spans or (whole,))


def _alone(comparison: Comparison, *, names: tuple[str, str]) -> str:
    """The segments that only one of the videos has, and so were not compared."""
    if not any(pair.a is not None and pair.b is not None for pair in comparison.pairs):
        return ""
    lone = (
        [pair.a for pair in comparison.pairs if pair.b is None and pair.a is not None],
        [pair.b for pair in comparison.pairs if pair.a is None and pair.b is not None],
    )
    return " and ".join(f"{segments_text(found)} of {name}" for name, found in zip(names, lone, strict=True) if found)


def _parted(pair: VideoPair, *, names: tuple[str, str], alone: str) -> Iterator[Block]:
    if pair.same_packets:
        yield Paragraph(text=words(strong("The videos are the same, packet for packet.")), tone=Tone.SAME)
        return
    data = pair.measured
    if data is None:
        yield Paragraph(text=words("The videos' packets differ; their pictures were not measured."))
        return
    if alone:
        yield Paragraph(text=words(f"Not compared, since the other video has no such segment: {alone}."))
    if data["differs_at"] is None:
        what = (
            "In all the other segments every frame" if alone else "The packets differ, the pictures do not: every frame"
        )
        yield Paragraph(text=words(f"{what} has the same luma."), tone=Tone.SAME)
        return
    first, second = data["differs_at"]
    text = f"The pictures differ from frame {first} of {names[0]} (frame {second} of {names[1]}) on"
    if data["parts_at"] is not None:
        first, second = data["parts_at"]
        text += f", and show something else from frame {first} ({second}) on"
    psnr, ssim = data["psnr"], data["ssim"]
    measures = f"PSNR {_db(psnr['median'])} at the median, {_db(psnr['least'])} at worst; SSIM {ssim['median']:.3f}"
    yield Paragraph(text=words(f"{text}. {measures} and {ssim['least']:.3f}."), tone=Tone.DIFFERS)


DENOISED = frozenset({Topic.MODEL, Topic.EXPERTS, Topic.LORAS, Topic.GUIDANCE, Topic.SCHEDULE, Topic.PROMPTS})
"""What only denoising brings into a picture."""


def without_effect(dossier: Dossier) -> Iterator[Block]:
    """That videos are the same although the records differ: nothing of what differs reached the picture."""
    for at, (comparison, pair) in enumerate(zip(dossier.comparisons, dossier.videos, strict=True), start=1):
        if pair is None or not pair.same_packets or comparison.verdict is Verdict.IDENTICAL:
            continue
        real = {cause.topic for cause in comparison.causes if not cause.paper}
        runs = f"{letter(0)} and {letter(at)}"
        if Topic.AFTER in real and real <= {Topic.AFTER, Topic.RESULT}:
            told = f"The stitched videos of {runs} are the same, packet for packet; what is made of them is not."
            yield Paragraph(text=words(strong(told)), tone=Tone.INFO)
            continue
        text = f"Yet the videos of {runs} are the same, packet for packet"
        idle = [found for found in comparison.findings if found.code == "engine-does-not-denoise"]
        why = f": {idle[0].message}, nothing of what differs reaches the picture." if idle and real <= DENOISED else "."
        yield Paragraph(text=words(strong(text), why), tone=Tone.INFO)


def _db(value: float | None) -> str:
    return "without any difference" if value is None else f"{value:.1f} dB"


def _noise(noise: NoiseFloor | None, pair: VideoPair) -> Iterator[Block]:
    if noise is None:
        return
    if noise.same_packets:
        text = f"Noise floor: {noise.run} rendered again gives the same packets, so that no difference is noise."
        yield Paragraph(text=words(text), tone=Tone.INFO)
        return
    least = f"{_db(noise.median_psnr)} at the median, {_db(noise.least_psnr)} at worst"
    text = f"Noise floor: {noise.run} rendered again differs from itself by PSNR {least}."
    if pair.measured is not None:
        text += f" {_judged(pair.measured['psnr'], noise)}"
    yield Paragraph(text=words(text), tone=Tone.WARNING)


def _judged(psnr: Mapping[str, Any], noise: NoiseFloor) -> str:
    floor, found = noise.median_psnr, psnr["median"]
    within = found is None or (floor is not None and found >= floor)
    return "The pair does not differ more than that." if within else "The pair differs more than that."


def _metrics(data: Mapping[str, Any], *, names: tuple[str, str]) -> Iterator[Block]:
    a, b = data["a"], data["b"]
    readings = (
        ("frames", lambda side: f"{side['frames']}"),
        ("motion a frame, median (share of the width)", lambda side: f"{side['motion']['median']:.2g}"),
        ("motion a frame, 95th percentile", lambda side: f"{side['motion']['high']:.2g}"),
        ("flicker (grey levels)", lambda side: f"{side['flicker']:.2g}"),
        ("frozen frames", lambda side: f"{side['frozen']['frames']}"),
        ("scores of the joins (1: like their surroundings)", _join_scores),
    )
    rows = tuple(
        Row(
            cells=(words(name), words(read(a)), words(read(b))),
            tone=Tone.DIFFERS if read(a) != read(b) else Tone.NONE,
        )
        for name, read in readings
    )
    yield Table(head=("measured", *names), rows=rows, caption="level: outcome, measured from the videos")


def _join_scores(side: Mapping[str, Any]) -> str:
    return ", ".join(f"{join['score']:.2f} at {join['start']}" for join in side["joins"]) or "no joins"
