"""LoRAs of two subjects under common names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.subjects import segment, subject, table
from wayframe.core.lora_names import lora_identity, multiplier_entries, reordered, under_common_names, unique_names
from wayframe.core.subject import Level, Subject

ONE, TWO = "1" * 64, "2" * 64


def with_loras(**digests: str) -> Subject:
    """A planned subject with a LoRA file for each digest, all of weight 1 at its only step."""
    steps = table((1000.0, "high", 1.0, dict.fromkeys(digests, 1.0)))
    planned = {"loras": {name: {"file": f"{name}.safetensors", "digest": digest} for name, digest in digests.items()}}
    return subject(planned=planned, segments=[replace(segment(), steps=steps, wanted=steps)])


def names(subject: Subject) -> list[str]:
    """The names in the plan, after looking whether those in both step tables are the same."""
    planned = list(subject.values[Level.PLANNED]["loras"])
    for steps in (subject.segments[0].steps, subject.segments[0].wanted):
        assert steps is not None
        assert list(steps.rows[0].loras) == planned
    return planned


def common(a: Subject, b: Subject) -> tuple[list[str], list[str]]:
    left, right, _, _ = under_common_names(a, b)
    back, there, _, _ = under_common_names(b, a)
    assert (names(there), names(back)) == (names(left), names(right)), "the order of the two made a difference"
    return names(left), names(right)


def test_names_that_agree_stay() -> None:
    assert common(with_loras(high=ONE, low=TWO), with_loras(high=ONE, low=TWO)) == (["high", "low"], ["high", "low"])


def test_a_renamed_file_has_one_name() -> None:
    assert common(with_loras(high=ONE), with_loras(copy=ONE)) == (["copy"], ["copy"])


def test_another_file_of_the_same_name_has_another_name() -> None:
    assert common(with_loras(high=ONE), with_loras(high=TWO)) == (["high (11111111)"], ["high (22222222)"])


def test_digests_of_bytes_are_shortened_and_names_are_not() -> None:
    assert common(with_loras(high=f"sha256:{ONE}"), with_loras(high="name:high.safetensors")) == (
        ["high (11111111)"],
        ["high (name:high.safetensors)"],
    )


def test_files_that_changed_names_are_not_mixed_up() -> None:
    left, right = common(with_loras(x=ONE, y=TWO), with_loras(x=TWO, y=ONE))
    assert left == right[::-1]
    assert len({*left}) == 2


def test_a_lora_of_one_side_only_keeps_its_name() -> None:
    assert common(with_loras(high=ONE), with_loras(high=ONE, low=TWO)) == (["high"], ["high", "low"])


def test_two_files_of_one_digest_stay_two() -> None:
    left, right = common(with_loras(x=ONE, y=ONE), with_loras(z=ONE))
    assert len({*left}) == 2
    assert right[0] in left


def test_names_reach_from_the_plan_to_the_files_of_the_spec() -> None:
    _, _, left, right = under_common_names(with_loras(high=ONE), with_loras(other=ONE))
    assert left.of_file("/somewhere/high.safetensors") == right.of_file("other.safetensors") == "high"
    assert left.of_file("https://x.example/new.safetensors?a=b") == "https://x.example/new.safetensors"


def test_subjects_without_a_plan_keep_their_names() -> None:
    logged = subject(requested={"loras": [1]}, planned={"loras": ["x"]})
    left, right, _, _ = under_common_names(logged, with_loras(high=ONE))
    assert left is logged
    assert names(right) == ["high"]


@pytest.mark.parametrize(
    ("reference", "identity"),
    [
        ("loras/high.safetensors", "high.safetensors"),
        ("D:\\models\\high.safetensors", "high.safetensors"),
        ("https://x.example/a/high.safetensors?token=1", "https://x.example/a/high.safetensors"),
    ],
)
def test_a_local_file_is_known_by_its_name_and_a_remote_one_by_its_address(reference: str, identity: str) -> None:
    assert lora_identity(reference) == identity


def test_multipliers_are_read_from_text_and_from_lists() -> None:
    assert multiplier_entries(" 0.75;1.0;0   0,1 ") == ["0.75;1.0;0.0", "0.0,1.0"]
    assert multiplier_entries(["0.750;1;0", 1]) == ["0.75;1.0;0.0", "1.0"]
    assert multiplier_entries(None) == multiplier_entries("") == []
    assert multiplier_entries("x;1") == ["x;1.0"]


def test_lists_that_cannot_be_read_are_not_called_equal() -> None:
    assert reordered({"lora_names": "a"}, {"lora_names": "a"}) == frozenset()
    assert reordered({}, {}) == frozenset()
    more = {"lora_names": ["a"], "lora_multipliers": ["1", "2"]}
    assert reordered(more, more) == frozenset()


def test_names_in_tables_are_unique() -> None:
    assert unique_names(["a/x.safetensors", "b/x.safetensors?q", "y", "c\\x.safetensors"]) == ["x", "x-2", "y", "x-3"]
