"""Answers of models become prompts, or are refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayframe.prompts.base import Answer
from wayframe.prompts.cleaning import LONGEST, Refused, clean, cleaned_text, word_count

PLAIN = "The camera rises over the lake while the mist lifts."


@pytest.mark.parametrize(
    "answer",
    [
        PLAIN,
        f"  {PLAIN}\n",
        f'"{PLAIN}"',
        f"“{PLAIN}”",
        f"Prompt: {PLAIN}",
        f"**Prompt:** {PLAIN}",
        f"Here is the prompt: {PLAIN}",
        f"Here's a description of the motion between the frames:\n\n{PLAIN}",
        f"Sure! Here is the prompt:\n{PLAIN}",
        f'Certainly. Here\'s the video prompt: "{PLAIN}"',
        f"```\n{PLAIN}\n```",
        f"```text\n{PLAIN}\n```",
        f"# {PLAIN}",
        f"- {PLAIN}",
        f"1. {PLAIN}",
        f"<think>The user wants a prompt. START shows a lake.</think>\n{PLAIN}",
        f"The user wants a prompt. START shows a lake.</think>\n{PLAIN}",
        f"<prompt>{PLAIN}</prompt>",
        f"{PLAIN}<|im_end|>",
        "The camera *rises* over the **lake** while the `mist` lifts.",
        "The camera rises over the lake\nwhile the mist lifts.",
    ],
)
def test_what_is_around_a_prompt_is_taken_off(answer: str):
    assert clean(Answer(text=answer), max_words=60) == PLAIN


@pytest.mark.parametrize(
    "text",
    [
        "She says 'hello' and he answers \"yes\" as they walk on.",
        '"Go" is written on the sign, and the camera moves to the word "stop"',
        "A 3-year-old child walks 2.5 metres towards the sea; the tide's edge glitters.",
        "The description on the wall: letters fade as the light goes.",
        "Here the road bends and the camera follows it to the right.",
        "As an eagle turns, the light on its wings flares and fades.",
        "I can see is written on a banner that flutters in the wind.",
    ],
)
def test_what_belongs_to_a_prompt_stays(text: str):
    assert clean(Answer(text=text), max_words=60) == text


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(text=""), "it is empty"),
        (Answer(text="<think>What shall I say"), "it is empty"),
        (Answer(text="A boat turns", cut=True), "it was cut off before its end"),
        (Answer(text=PLAIN, declined=True), "it is a refusal"),
        (Answer(text="I'm sorry, but I can't help with that request."), "it is a refusal"),
        (Answer(text="I\u2019m unable to view images directly."), "it is a refusal"),
        (Answer(text="As an AI language model, I do not see pictures."), "it is a refusal"),
        (Answer(text="I cannot describe people in pictures."), "it is a refusal"),
        (Answer(text="Slowly."), "it has only 1 words"),
        (
            Answer(text="one two three four five six seven eight nine ten " * 10),
            "it has 100 words, asked for were at most",
        ),
        (Answer(text="{}[] 12 34 <> ;; 99 -- 42 %% a b c"), "it is not made of words"),
        (Answer(text="the man walks on and the man walks on and the man walks on"), "it repeats itself"),
        (Answer(text="zoom zoom zoom zoom into the face"), "it repeats itself"),
        (Answer(text="The sign reads sk-abcdefghijklmnop as we pass."), "it holds what looks like a secret"),
        (Answer(text="x" * (LONGEST + 1)), f"it has {LONGEST + 1} characters"),
    ],
)
def test_what_is_no_prompt_is_refused_with_its_reason(answer: Answer, reason: str):
    got = clean(answer, max_words=60)
    assert isinstance(got, Refused)
    assert got.reason.startswith(reason)


def test_half_as_many_words_again_are_let_pass():
    words = [f"word{chr(97 + index)}" for index in range(15)]
    assert clean(Answer(text=" ".join(words)), max_words=10) == " ".join(words)
    assert isinstance(clean(Answer(text=" ".join([*words, "more"])), max_words=10), Refused)


CHINESE = "镜头缓缓上升\uff0c湖面上的薄雾逐渐散开\uff0c远处的山峰显露出来。"


@pytest.mark.parametrize(
    ("text", "language", "problem"),
    [
        (PLAIN, "English", ""),
        (PLAIN, "en", ""),
        (PLAIN, "en-GB", ""),
        (CHINESE, "English", "it is not in English"),
        (CHINESE, "Chinese", ""),
        (CHINESE, "zh", ""),
        (PLAIN, "Chinese", "it is not in Chinese"),
        (PLAIN, "German", "it is in English, not in German"),
        ("Die Kamera steigt über den See, während sich der Nebel hebt.", "German", ""),
        ("Камера поднимается над озером, туман рассеивается.", "Russian", ""),
        (PLAIN, "Klingon", ""),
    ],
)
def test_another_language_than_the_one_asked_for_is_noticed(text: str, language: str, problem: str):
    got = clean(Answer(text=text), max_words=60, language=language)
    assert (got.reason if isinstance(got, Refused) else "") == problem


def test_words_without_blanks_between_them_are_counted_by_two_characters():
    assert word_count("镜头缓缓上升") == 3
    assert word_count("it's a well-known place") == 4


@given(st.text(max_size=300))
def test_cleaning_ends_and_gives_one_line(text: str):
    got = cleaned_text(text)
    assert "\n" not in got
    assert got == got.strip()


@given(st.text(alphabet="<>/*`#- \n\"'think", max_size=400))
def test_cleaning_is_safe_with_markup_of_any_shape(text: str):
    clean(Answer(text=text), max_words=60)
