"""What a plan says of few segments only."""

from __future__ import annotations

from cli.terminal import Terminal
from core.trips import planned, stills
from wayframe.cli.plan_notes import notes


def test_frames_of_a_video_and_looks_are_told_once_for_neighbours():
    data = stills(3, continue_from="a.mp4", overlap=6, look={"colour_match": 0.5, "saturation": 0.9})
    data["keyframes"][1]["look"] = {"brightness": -0.1, "colour_match": 0}
    assert list(notes(planned(data).plan)) == [
        "segment 0 starts from frames 27 to 32 of video 0",
        "look of segments 0 to 1: colour_match 0.5, saturation 0.9",
        "look of segment 2: saturation 0.9, brightness -0.1",
    ]


def test_a_bridge_tells_both_of_its_sides_and_a_plain_trip_nothing():
    join = {"join": {"clips": ["a.mp4", "b.mp4"], "context": 4, "gap": 9}}
    assert list(notes(planned(join).plan)) == [
        "segment 1 starts from frames 29 to 32 of video 0 and leads to frames 0 to 3 of video 1"
    ]
    assert list(notes(planned(stills(3)).plan)) == []


def test_the_command_shows_them(wayframe: Terminal):
    (wayframe.folder / "trip.yaml").write_text("keyframes: [{image: 0.png}, {image: 1.png}]\nlook: {banner: true}\n")
    assert "\nlook of segment 0: banner\n" in wayframe("plan", "trip.yaml").out
