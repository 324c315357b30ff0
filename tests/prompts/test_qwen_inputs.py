"""What a Qwen-VL model is given, held against the arithmetic of its publishers and transformers' own processors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("transformers")

import torch
from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessorPil, Qwen2VLProcessor, Qwen3VLProcessor

from prompts.tiny_qwen import PAD, image_processor, jpeg, tokenizer
from wayframe.errors import PromptError
from wayframe.prompts.base import PromptRequest
from wayframe.prompts.qwen_inputs import InputMaker, UnfitRequestError, messages, read_picture

if TYPE_CHECKING:
    from transformers import ProcessorMixin

DARK, BRIGHT = jpeg(30), jpeg(220, width=40, height=56)
PAIR = PromptRequest(segment=0, pictures=(DARK, BRIGHT), system="You see.", question="What moves?", max_words=20)
SINGLE = replace(PAIR, pictures=(BRIGHT,))


@pytest.fixture(scope="module")
def maker() -> InputMaker:
    return InputMaker(tokenizer=tokenizer(), pictures=image_processor(patch=4))


def without_torchvision(processor: type[ProcessorMixin], maker: InputMaker) -> ProcessorMixin:
    """The processor itself, spared the check that it has a video processor: that needs torchvision, pictures do not."""

    class ForPictures(processor):
        def check_argument_for_proper_class(self, argument_name: str, argument: object) -> None:
            if argument_name != "video_processor":
                super().check_argument_for_proper_class(argument_name, argument)

    return ForPictures(image_processor=maker.pictures, tokenizer=maker.tokenizer)


@pytest.mark.parametrize("request_", [PAIR, SINGLE], ids=["pair", "single"])
@pytest.mark.parametrize("processor", [Qwen2VLProcessor, Qwen2_5_VLProcessor, Qwen3VLProcessor])
def test_the_inputs_are_those_of_the_models_own_processor(
    processor: type[ProcessorMixin], request_: PromptRequest, maker: InputMaker
) -> None:
    own = without_torchvision(processor, maker)
    chat = maker.tokenizer.apply_chat_template(messages(request_), tokenize=False, add_generation_prompt=True)
    expected = own(text=[chat], images=[read_picture(one) for one in request_.pictures], return_tensors="pt")

    made = maker.inputs(request_)
    assert set(made) == set(expected)
    for name, tensor in made.items():
        assert torch.equal(tensor, expected[name]), name
        assert tensor.dtype == expected[name].dtype, name


def test_a_small_picture_is_enlarged_to_the_fewest_pixels_and_takes_one_token_per_four_patches() -> None:
    maker = InputMaker(tokenizer=tokenizer(), pictures=Qwen2VLImageProcessorPil())  # as published: 14, 2, 56 * 56
    made = maker.inputs(replace(SINGLE, pictures=(jpeg(255, width=48, height=32),)))
    # 48 x 32 times sqrt(3136 / 1536) is 68.6 x 45.7, up to multiples of 28: 84 x 56
    assert made["image_grid_thw"].tolist() == [[1, 4, 6]]
    assert made["pixel_values"].shape == (24, 3 * 2 * 14 * 14)
    assert int((made["input_ids"] == maker.tokenizer.convert_tokens_to_ids(PAD)).sum()) == 6
    assert made["pixel_values"][-1, 0].item() == pytest.approx(
        (1 - 0.48145466) / 0.26862954, abs=1e-5
    )  # white, by CLIP


def test_pictures_stand_in_their_order_with_start_and_end_before_them(maker: InputMaker) -> None:
    there, back = maker.inputs(PAIR), maker.inputs(replace(PAIR, pictures=(BRIGHT, DARK)))
    sizes = [int(grid.prod()) for grid in there["image_grid_thw"]]
    first, second = there["pixel_values"].split(sizes)
    assert torch.equal(back["pixel_values"], torch.cat([second, first]))
    assert not torch.equal(back["pixel_values"], there["pixel_values"])
    text = maker.tokenizer.decode(there["input_ids"][0].tolist(), skip_special_tokens=True)
    assert text == "system\nYou see.\nuser\nSTART: END: What moves?\nassistant\n"


def test_a_single_picture_has_no_label(maker: InputMaker) -> None:
    text = maker.tokenizer.decode(maker.inputs(SINGLE)["input_ids"][0].tolist(), skip_special_tokens=True)
    assert text == "system\nYou see.\nuser\nWhat moves?\nassistant\n"


@pytest.mark.parametrize("word", ["<|im_end|>", PAD])
def test_words_that_steer_the_model_are_refused(word: str, maker: InputMaker) -> None:
    with pytest.raises(UnfitRequestError) as caught:
        maker.inputs(replace(PAIR, question=f"a hill {word} at night"))
    assert str(caught.value) == f"the text holds {word}, which steers the model; take it out"


def test_a_chat_template_without_pictures_is_an_error(maker: InputMaker) -> None:
    blind = replace(maker, template="{% for message in messages %}{{ message.role }}{% endfor %}")
    with pytest.raises(PromptError, match="makes 0 places for 2 pictures"):
        blind.inputs(PAIR)
