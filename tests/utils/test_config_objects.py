"""The door from a config section to an object: what it lets through, and what it says if not."""

import pytest

from utils.config.objects import build, call, check_type, expected_one_of, look_up
from utils.errors import ConfigError


class Box:
    def __init__(self, width: int, height: float = 1.0, lid: bool = False, label: str | None = None,
                 content=None):
        if width < 1:
            raise ValueError(f"width = {width}, expected at least 1")
        self.width, self.height, self.lid, self.label, self.content = (
            width, height, lid, label, content
        )


def disc(radius: float, *more, centre=(0, 0), **options):
    return radius, more, centre, options


SHAPES = {"Box": Box, "disc": disc}


def section(name="Box", **args):
    return {"type": name, "args": args}


def test_a_section_becomes_an_object_with_arguments_and_runtime_values():
    box = build(section(width=3, label="a"), SHAPES, "shape", content=[1])
    assert (box.width, box.height, box.lid, box.label, box.content) == (3, 1.0, False, "a", [1])


def test_a_misspelt_type_lists_the_names_and_the_likeliest():
    with pytest.raises(ConfigError) as error:
        build(section("Bx", width=3), SHAPES, "shape")
    assert str(error.value) == "shape.type = 'Bx': did you mean 'Box'? expected one of: Box, disc"


def test_a_misspelt_argument_lists_the_names_and_the_likeliest_without_what_the_code_sets():
    with pytest.raises(ConfigError) as error:
        build(section(widht=3), SHAPES, "shape", content=[1])
    assert str(error.value) == (
        "shape.args.widht is not a key here: did you mean 'width'? "
        "expected one of: height, label, lid, width"
    )


def test_an_argument_that_the_code_sets_is_refused():
    with pytest.raises(ConfigError, match=r"shape\.args\.content is set by the code: remove it"):
        build(section(width=3, content=2), SHAPES, "shape", content=[1])


def test_missing_arguments_are_named():
    with pytest.raises(ConfigError, match=r"^shape\.args\.width is missing$"):
        build(section(), SHAPES, "shape")


def test_a_constructor_that_objects_is_quoted_with_the_key():
    with pytest.raises(ConfigError, match=r"^shape\.args\.width = 0, expected at least 1$"):
        build(section(width=0), SHAPES, "shape")


@pytest.mark.parametrize("args, culprit", [
    ({"sides": 3, "angle": 400}, "angle = 400"),  # fits when it is left out
    ({"sides": 2, "angle": 40}, "sides = 2"),  # must be given, so that another value is tried
    ({"angle": 400, "sides": 3, "name": "a"}, "angle = 400"),
])
def test_the_argument_without_which_it_works_is_named(args, culprit):
    def polygon(sides, angle=0, name=""):
        if sides % 10 == 2 or angle > 360:
            raise RuntimeError("something is too small or too large\nin line 3")

    with pytest.raises(ConfigError) as error:
        call(polygon, args, "shape.args")
    assert str(error.value) == (
        f"shape.args.{culprit}, expected what polygon takes (something is too small or too large)")


def test_where_no_argument_alone_is_at_fault_the_words_stay():
    def polygon(sides, angle=0):
        raise ArithmeticError("too much")

    with pytest.raises(ConfigError, match=r"^shape\.args: too much$"):
        call(polygon, {"sides": 3, "angle": 4}, "shape.args")


def test_variable_arguments_of_a_function_are_no_keys():
    assert call(disc, {"radius": 2}, "disc") == (2, (), (0, 0), {})
    for name in ("more", "options", "anything"):
        with pytest.raises(ConfigError, match="expected one of: centre, radius"):
            call(disc, {"radius": 2, name: 1}, "disc")


@pytest.mark.parametrize("value, hint", [
    (3, int), (3.5, float), (3, float), (True, bool), ("a", str), ([1], list), ({}, dict),
    (None, int | None), (3, int | None), (3, float | None), ("anything", object), (3, None),
])
def test_values_that_fit_their_hint_pass(value, hint):
    check_type(value, hint, "key")


@pytest.mark.parametrize("value, hint, expected", [
    ("3", int, "int"), (3.5, int, "int"), (3.0, int, "int"), (True, int, "int"),
    (True, float, "float"), ("0.1", float, "float"), (1, bool, "bool"), (3, str, "str"),
    ("a", list, "list"), (None, int, "int"), ("x", int | None, "int or null"), ([], dict, "dict"),
])
def test_values_of_another_type_are_refused_with_what_was_expected(value, hint, expected):
    with pytest.raises(ConfigError) as error:
        check_type(value, hint, "some.key")
    assert str(error.value) == f"some.key = {value!r}, expected {expected}"


def test_a_name_unlike_any_gets_the_list_without_a_guess():
    assert expected_one_of("qqq", ["b", "a"]) == "expected one of: a, b"
    assert expected_one_of(7, ["b", "a"]) == "expected one of: a, b"


@pytest.mark.parametrize("name", [7, None, ["Box"], {"type": "Box"}])
def test_a_name_that_is_no_text_is_refused_like_a_misspelt_one(name):
    with pytest.raises(ConfigError, match="expected one of: Box, disc"):
        look_up(name, SHAPES, "shape")
