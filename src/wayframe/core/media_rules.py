"""The rules behind findings about pictures and videos; `media` applies them."""

from __future__ import annotations

from wayframe.core.findings import Severity, rule

STITCH_REENCODED = rule(
    "stitch-reencoded",
    Severity.WARNING,
    title="frames of a segment were encoded a second time",
    why="The stitch copies what stands between two IDR frames and encodes only what is blended. A segment that another "
    "program or profile made, or that cannot be cut at its overlap, loses a little by the second encoding and takes "
    "longer.",
    action="Render the segment again with the profile of this run, or accept the small loss.",
)

IMAGE_ANIMATED = rule(
    "image-animated",
    Severity.WARNING,
    title="only the first frame of an animation is used",
    why="A keyframe is one picture; the other frames of the file are ignored.",
    action="Save the frame that you mean as a picture of its own.",
)

IMAGE_TURNED = rule(
    "image-turned",
    Severity.INFO,
    title="a picture was turned upright",
    why="The camera stored the picture lying or mirrored and noted it in EXIF; width and height count after turning.",
    action="Nothing, unless the picture now stands wrong: then remove the EXIF orientation from the file.",
)

IMAGE_MATTED = rule(
    "image-matted",
    Severity.INFO,
    title="transparent parts were laid on the matte colour",
    why="A video has no transparency.",
    action="Set `matte` to the colour that should show through.",
)
