"""The places in a command that stand for values."""

from __future__ import annotations

import pytest

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.child.placeholders import fill, places

COMMAND = "python main.py --iris-csv ${{inputs.iris_csv}} --C ${{ search_space.c_value }} --C2 ${{search_space.c_value}}"


def test_the_places_each_once_in_order():
    assert places(COMMAND) == ("inputs.iris_csv", "search_space.c_value")
    assert places("echo $HOME ${HOME} ${{}} $${x}") == ()


def test_filled():
    filled = fill(COMMAND, {"inputs.iris_csv": "/data/iris.csv", "search_space.c_value": "0.5", "other": "x"})
    assert filled == "python main.py --iris-csv /data/iris.csv --C 0.5 --C2 0.5"


@pytest.mark.parametrize("value", [r"\1 \g<0> \n", "${{search_space.c_value}}", "a b", "", "品牌", "$HOME"])
def test_a_value_is_put_in_as_it_is(value):
    assert fill("<${{search_space.c_value}}>", {"search_space.c_value": value}) == f"<{value}>"


@pytest.mark.parametrize("name", ["search_space.max-depth", "search_space.model.depth", "inputs.data_2"])
def test_names(name):
    place = "${{" + name + "}}"
    assert places(place) == (name,)
    assert fill(place, {name: "5"}) == "5"


def test_what_a_value_says_is_not_filled():
    assert fill("${{a}}", {"a": "${{b}}", "b": "x"}) == "${{b}}"


def test_a_place_without_a_value_is_refused():
    with pytest.raises(ConfigError) as refused:
        fill(COMMAND, {"inputs.iris_csv": "x", "search_space.c": "1"})
    assert str(refused.value) == (
        "command: there is no value for ${{ search_space.c_value }}; known: inputs.iris_csv, search_space.c"
    )
    with pytest.raises(ConfigError, match="known: none"):
        fill(COMMAND, {})
