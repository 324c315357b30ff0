"""Options of an engine: where they come from, which plan they make, and where the record keeps them."""

from __future__ import annotations

import pytest

from wayframe.core.events import SegmentPublished
from wayframe.errors import CancelledError, SpecError
from wayframe.workflow.engine_options import engine_options, parse_options, way_to
from workflow.engines import Scripted, install
from workflow.rides import Ground, Watch, through


def test_words_become_options_and_a_value_may_hold_an_equals_sign() -> None:
    assert parse_options(["dtype=float32", "weights=high=a,low=b"]) == {"dtype": "float32", "weights": "high=a,low=b"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["dtype"], r"^--option: expected KEY=VALUE \(got 'dtype'\); such as --option dtype=float32$"),
        (["=x"], "^--option: expected KEY=VALUE"),
        (["dtype="], "^--option: expected KEY=VALUE"),
        (["a=1", "a=2"], r"^--option a: is given twice \(got '2'\)"),
    ],
)
def test_words_of_another_form_are_refused(words: list[str], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        parse_options(words)


def test_given_options_win_over_those_of_the_home_folder(ground: Ground) -> None:
    (ground.home.root / "options.toml").write_text('[wan]\ndtype = "float32"\nbatch = 4\nkeep = true\n[other]\nx = 1\n')
    assert engine_options("wan", home=ground.home, given={}) == {"dtype": "float32", "batch": "4", "keep": "true"}
    assert engine_options("wan", home=ground.home, given={"dtype": "float16"})["dtype"] == "float16"
    assert engine_options("preview", home=ground.home, given={}) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[wan", r"options\.toml: cannot be read: .*; mend it, or remove it$"),
        ("wan = 1", r"options\.toml: wan: expected a table \(got 1\); such as \[wan\]"),
        ("[wan]\ndtype = 1.5", r"options\.toml: wan\.dtype: expected a text, a whole number, true or false"),
    ],
)
def test_a_wrong_file_is_refused_by_field(ground: Ground, text: str, says: str) -> None:
    (ground.home.root / "options.toml").write_text(text)
    with pytest.raises(SpecError, match=says):
        engine_options("wan", home=ground.home, given={})


@pytest.mark.parametrize(
    ("planned", "here", "way"),
    [
        ("wan/1 dtype=float32", "wan/1", "give --option dtype=float32"),
        ("wan/1", "wan/1 dtype=float32", "leave out the option dtype"),
        ("wan/1 dtype=float16", "wan/1 dtype=float32", "give --option dtype=float16"),
        ("wan/1 a=1", "wan/1 b=2 c=3", "give --option a=1, leave out the option b and c"),
        ("wan/1", "wan/2", "plan again here"),
    ],
)
def test_the_way_from_one_identity_to_another_is_said(planned: str, here: str, way: str) -> None:
    assert way_to(planned, here=here) == way


def test_options_that_decide_pixels_make_another_plan_and_others_the_same(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted())
    data = through(0, 1, engine="scripted")
    plain, offloaded = ground.trip(data), ground.trip(data, options={"offload": "blocks"})
    assert offloaded.planned() == plain.planned()
    other = ground.trip(data, options={"dtype": "float32"})
    assert other.plan.engine_identity == "scripted/1 dtype=float32"
    assert other.plan.segments[0].key != plain.plan.segments[0].key


def test_an_interrupted_run_goes_on_with_an_option_that_keeps_the_pixels(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted()
    install(monkeypatch, engine)
    watch = Watch(until=lambda event: isinstance(event, SegmentPublished))

    def listen(event: object) -> None:
        watch.listen(event)
        if watch.stop:
            raise CancelledError

    data = through(0, 1, 2, engine="scripted")
    with pytest.raises(CancelledError):
        ground.run(data, listen=listen)
    result = ground.run_trip(ground.trip(data, options={"offload": "blocks"}))
    record = result.folder.read()
    assert (record["attempts"], record["environment"]["options"]) == (2, {"offload": "blocks"})
    assert engine.rendered() == [0, 1]
    assert engine.setups[-1].options == {"offload": "blocks"}


def test_a_plan_made_with_other_options_is_refused_with_the_option_to_give(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted())
    data = through(0, 1, engine="scripted")
    plan = ground.trip(data, options={"dtype": "float32"}).plan
    here = ground.trip(data)
    made = type(here)(plan=plan, images=here.images)
    with pytest.raises(SpecError) as refused:
        ground.run_trip(made)
    assert str(refused.value) == (
        "engine_identity: the engine here is scripted/1 (got 'scripted/1 dtype=float32'); give --option dtype=float32"
    )


def test_the_record_of_a_run_without_options_holds_none_and_secrets_in_them_are_hidden(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Scripted())
    data = through(0, 1, engine="scripted")
    assert "options" not in ground.run(data).folder.read()["environment"]
    hidden = "hf_abcdefghijklmnop1234567890"
    result = ground.run_trip(ground.trip(data, options={"offload": hidden}))
    assert result.folder.read()["environment"]["options"] == {"offload": "[redacted]"}
    assert [path.name for path in result.folder.path.iterdir() if hidden.encode() in path.read_bytes()] == []


def test_an_engine_without_options_refuses_one(ground: Ground) -> None:
    with pytest.raises(SpecError, match=r"^option dtype: engine null has no options \(got 'float32'\); leave it out$"):
        ground.trip(through(0, 1), options={"dtype": "float32"})
