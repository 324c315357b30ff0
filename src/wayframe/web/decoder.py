"""The child that looks at files: one request a line on its input, one answer a line on its output.

Whatever a file does to a decoder happens here: in a process with little memory, no secrets in its environment, and a
parent that ends it when it takes too long.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wayframe.errors import InputError, WayframeError

LARGEST_FILE = 64 * 2**20
"""Bytes of the largest file that the child may write: thumbnails and frames are far smaller."""
QUALITY = 88


def picture(request: Mapping[str, Any]) -> dict[str, Any]:
    """Decode a picture as a whole and write its thumbnail; gives its upright size, its format, and findings."""
    from PIL import Image

    from wayframe.media.images import ImageLimits, image_facts, load_image

    path, limits = Path(request["path"]), ImageLimits(pixels=request["pixels"], bytes=request["bytes"])
    facts = image_facts(path, limits=limits)
    frame = load_image(path, limits=limits)
    thumbnail = Image.fromarray(frame)
    thumbnail.thumbnail((request["side"], request["side"]))
    thumbnail.save(request["target"], format="JPEG", quality=QUALITY)
    findings = [
        {"code": found.code, "severity": found.severity.value, "message": found.message} for found in facts.findings
    ]
    return {**{key: value for key, value in asdict(facts).items() if key != "findings"}, "findings": findings}


def frame(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write one frame of a video as JPEG, no wider than asked for; gives its size."""
    from PIL import Image

    from wayframe.media.index import decode_some, index

    for _, pixels in decode_some(index(Path(request["path"])), ranks=[request["index"]]):
        shown = Image.fromarray(pixels)
        shown.thumbnail((request["width"], request["width"] * 4))
        shown.save(request["target"], format="JPEG", quality=QUALITY)
        return {"width": shown.width, "height": shown.height}
    raise AssertionError("decode_some gives what it was asked for")


def media(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a video or a sound is (`MediaFacts`); writes the last frame of a video small."""
    from wayframe.media.kinds import media_facts

    facts = media_facts(Path(request["path"]))
    if facts.frames:
        frame({**request, "index": facts.frames - 1, "width": request["side"]})
    return asdict(facts)


def capsule(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a video of ours carries."""
    from wayframe.workflow.sources import capsule_of

    return capsule_of(Path(request["path"]))


def curves(request: Mapping[str, Any]) -> dict[str, Any]:
    """What is measured of every frame of a video of ours, written as JSON; gives the number of frames."""
    from wayframe.media.metrics import measure

    series = measure(Path(request["path"])).series
    Path(request["target"]).write_text(json.dumps(series.to_json()), encoding="utf-8")
    return {"frames": len(series)}


_DOES: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "picture": picture,
    "frame": frame,
    "media": media,
    "capsule": capsule,
    "curves": curves,
}


def limit(*, memory: int, seconds: int) -> None:
    """Bound this process: bytes of memory, seconds of computing, bytes of a file; no core dumps."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(line: str) -> dict[str, Any]:
    """The answer to one request."""
    request = json.loads(line)
    try:
        return {"found": _DOES[request["do"]](request)}
    except InputError as error:
        value = None if error.value is None else str(error.value)
        return {"error": "input", "field": error.field, "problem": error.problem, "value": value, "fix": error.fix}
    except (WayframeError, MemoryError, OSError) as error:
        return {"error": "media", "problem": " ".join(str(error).split()) or type(error).__name__}


def main() -> None:
    """Answer until the input ends."""
    limit(memory=int(sys.argv[1]), seconds=int(sys.argv[2]))
    os.nice(5)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        out.write(json.dumps(answer(line)) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
