"""What is kept of a segment between two experts, and what is not taken from a damaged file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from wayframe.engines.base import AppliedStep
from wayframe.engines.wan.scratch import Halfway, Scratch

KEY, OTHER = "a" * 64, "b" * 64
CPU = torch.device("cpu")


def halfway(seed: int = 1) -> Halfway:
    random = torch.Generator().manual_seed(seed)
    return Halfway(
        latents=torch.randn(1, 16, 2, 4, 4, generator=random),
        solver={"output.0": torch.randn(1, 16, 2, 4, 4, generator=random), "counters": torch.tensor([2, 2, 1])},
        steps=(
            AppliedStep(
                index=0,
                timestep=952.4376220703125,
                expert="high",
                guidance=3.0,
                loras={"fast": 0.1},
                forwards=2,
                sigma=0.9524376343861677,
                sigma_next=0.1 + 0.2,
                modules={"fast": (3, 4)},
            ),
        ),
    )


def same(ours: Halfway | None, theirs: Halfway) -> bool:
    assert ours is not None
    tensors = ours.solver.keys() == theirs.solver.keys() and all(
        torch.equal(ours.solver[name], theirs.solver[name]) for name in theirs.solver
    )
    return tensors and torch.equal(ours.latents, theirs.latents) and ours.steps == theirs.steps


def test_what_was_saved_is_loaded_to_the_last_bit(tmp_path: Path) -> None:
    Scratch(tmp_path / "deep" / "folder").save(KEY, halfway())
    assert same(Scratch(tmp_path / "deep" / "folder").load(KEY, device=CPU), halfway())


def test_a_segment_that_was_never_saved_is_not_there(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.save(KEY, halfway())
    assert scratch.load(OTHER, device=CPU) is None


def test_a_later_state_replaces_an_earlier_one(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.save(KEY, halfway(1))
    scratch.save(KEY, halfway(2))
    assert same(scratch.load(KEY, device=CPU), halfway(2))
    assert [path.name for path in tmp_path.iterdir()] == [f"{KEY}.safetensors"]


def test_a_finished_segment_leaves_nothing_behind(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.save(KEY, halfway())
    scratch.remove(KEY)
    scratch.remove(KEY)
    assert list(tmp_path.iterdir()) == []


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip_latents(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


def alter_steps(data: bytes) -> bytes:
    return data.replace(b"952.4376220703125", b"952.437622070312x")


def alter_header(data: bytes) -> bytes:
    return b"\xff" * 8 + data[8:]


@pytest.mark.parametrize("damage", [cut, flip_latents, alter_steps, alter_header, lambda _: b"", lambda _: b"junk" * 9])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    scratch = Scratch(tmp_path)
    scratch.save(KEY, halfway())
    (path,) = tmp_path.iterdir()
    damaged = damage(path.read_bytes())
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    assert scratch.load(KEY, device=CPU) is None


def test_the_file_of_another_segment_under_this_name_is_as_good_as_none(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.save(OTHER, halfway())
    (tmp_path / f"{OTHER}.safetensors").rename(tmp_path / f"{KEY}.safetensors")
    assert scratch.load(KEY, device=CPU) is None


def test_what_a_killed_writer_left_goes_with_the_next_save(tmp_path: Path) -> None:
    left = tmp_path / f".{KEY}.0123456789ab.part.safetensors"
    left.write_bytes(b"half")
    Scratch(tmp_path).save(KEY, halfway())
    assert not left.exists()


def test_a_segment_without_a_key_is_never_kept(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.save("", halfway())
    assert scratch.load("", device=CPU) is None
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_nothing_is_kept() -> None:
    scratch = Scratch(None)
    scratch.save(KEY, halfway())
    assert scratch.load(KEY, device=CPU) is None
    scratch.remove(KEY)
