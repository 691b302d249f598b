"""Keys of a config: their ranges hold, and a refusal says what was expected."""

from dataclasses import dataclass

import pytest

from utils.config.ranges import Range, at_least, one_of, require_valid, setting


@dataclass
class Options:
    count: int = setting("how many", valid=at_least(2, "images"))
    mode: str = setting("which way", "on", one_of("on", "off"))
    rate: float | None = setting("how fast", None, Range(lambda rate: rate > 0, "above 0"))
    names: list = setting("of whom", factory=list)


@pytest.mark.parametrize("values", [
    {"count": 2}, {"count": 3, "mode": "off"}, {"count": 2, "rate": 0.5}, {"count": 2, "rate": None}
])
def test_values_in_their_range_pass(values):
    require_valid(Options(**values))


@pytest.mark.parametrize("values, complaint", [
    ({"count": 1}, "count = 1, expected at least 2 (images)"),
    ({"count": 2, "mode": "of"}, "mode = 'of', expected one of on, off"),
    ({"count": 2, "rate": 0}, "rate = 0, expected above 0"),
])
def test_others_are_refused(values, complaint):
    with pytest.raises(ValueError) as caught:
        require_valid(Options(**values))
    assert str(caught.value) == complaint


def test_a_default_that_is_a_list_is_made_anew():
    assert Options(2).names == [] and Options(2).names is not Options(2).names


def test_a_key_without_a_default_must_be_given():
    with pytest.raises(TypeError, match="count"):
        Options()
