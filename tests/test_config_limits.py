"""A configuration that nobody can mean ends at once, with one line that says where."""

import pytest

from jmetamer._base.errors import ConfigError
from jmetamer.config import cells, find_config, packaged_configs, read_config
from jmetamer.config.reading import parse_yaml


def config(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    return path


BOMB = "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, r"line 6: more than 200,000 values, aliases written out"),
        ("a: &a [*a]", r"line 1: an alias stands inside of what it stands for"),
        ("a: &a {b: *a}", r"line 1: an alias stands inside"),
        ("[" * 41 + "]" * 41, r"line 1: nested deeper than 40 levels"),
        ("[" * 100_000, r"nested deeper than 40 levels"),
        ("\n" + "{a: " * 50 + "1" + "}" * 50, r"line 2: nested deeper than 40"),
        ("a:\n- " + "- " * 50 + "1", r"line 2: nested deeper than 40"),
        ("x: 1\nseed: " + "9" * 400, r"line 2: '9{119}\.\.\. \(402 characters\) is too large"),
        ("seed: " + "9" * 5000, r"line 1: .*\(5,002 characters\) cannot be read"),
        ("seed: -9223372036854775809", r"line 1: '-9223372036854775809' is too large"),
        ("a: 1\nb: !!int abc", r"line 2: 'abc' cannot be read"),
        ("b: !!float x", r"line 1: 'x' cannot be read"),
        ("b: !!bool x", r"line 1: 'x' cannot be read"),
        ("when: 2024-13-45", r"line 1: '2024-13-45' cannot be read"),
        ("when: 2024-02-30 25:00:00", r"line 1: '2024-02-30 25:00:00' cannot be read"),
        ("b: !!python/object:os.system x", r"could not determine a constructor"),
        ("b: !!binary x", r"line 1|binary"),
    ],
)
def test_text_that_stands_for_nothing_is_refused_with_its_line(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_yaml(text)


def test_aliases_and_large_numbers_that_mean_something_are_read():
    text = "a: &a [1, 2]\nb: [*a, *a]\nc: 9223372036854775807\nd: 2024-12-24"
    tree = parse_yaml(text)
    assert tree["b"] == [[1, 2], [1, 2]]
    assert tree["c"] == 2**63 - 1


GRIDS = {
    "a million": "seed: {0}\nmodel: {{hidden: {0}}}".format(list(range(1, 1001))),
    "a trillion": "seed: {0}\nmodel: {{hidden: {0}, layers: {0}, dropout: [0]}}\n"
    "training: {{epochs: {0}}}".format(list(range(1, 1001))),
    "runs": "runs: [" + ", ".join(["{seed: " + str(list(range(600))) + "}"] * 20) + "]",
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_that_is_too_large_is_refused_before_any_cell_is_made(tmp_path, monkeypatch, name):
    monkeypatch.setattr("jmetamer.config.grid.resolve", None)  # calling it fails
    run = read_config(config(tmp_path, GRIDS[name]))
    with pytest.raises(ConfigError, match=r"the grid has [\d,]+ cells .*`seed` \(\d+\).*max_cells"):
        cells(run)


def test_the_limit_of_cells_is_a_setting(tmp_path):
    path = config(tmp_path, "seed: [0, 1, 2]\ndataset: {name: karate}")
    with pytest.raises(ConfigError, match=r"the grid has 3 cells .*`max_cells` = 2"):
        cells(read_config(path, ["max_cells=2"]))
    run = read_config(path, ["max_cells=3"])
    assert len(cells(run)) == 3
    assert run.tree()["max_cells"] == 3
    for value in ("0", "true", "x", "1.5"):
        with pytest.raises(ConfigError, match=r"`max_cells` is .* a whole number from 1 on"):
            read_config(path, [f"max_cells={value}"])


def test_two_million_seeds_are_refused_while_they_are_read(tmp_path):
    path = config(tmp_path, f"seed: [{', '.join(['1'] * 2_000_000)}]")
    with pytest.raises(ConfigError, match="line 1: more than 200,000 values"):
        read_config(path)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("metamers.nodes", "[5, 5]"),
        ("metamers.nodes", "[[0, 1], [5, 6, 5]]"),
        ("geometry.nodes", "[3, 1, 3]"),
        ("geometry.layers", "[conv1, conv1]"),
        ("measures", "[features/cosine, features/cosine]"),
        ("recognition.judges", "[gcn, gcn]"),
        ("metamers.edges.candidates", "[[0, 1], [0, 1]]"),
    ],
)
def test_what_stands_twice_in_one_list_is_refused_before_training(setting, value):
    path = find_config(None, packaged_configs())
    with pytest.raises(ConfigError, match=rf"`{setting}` names .* twice"):
        read_config(path, [f"{setting}={value}"])


def test_a_name_of_five_thousand_letters_is_refused_in_one_short_line(tmp_path):
    path = config(tmp_path, f"name: {'x' * 5000}")
    with pytest.raises(ConfigError, match="up to 100 letters") as caught:
        read_config(path)
    assert len(str(caught.value)) < 400
    with pytest.raises(ConfigError, match="there is no config"):
        find_config("x" * 5000, [])


def test_a_home_folder_may_begin_the_path_of_a_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config(tmp_path, "seed: 0")
    assert find_config("~/own.yaml", []) == tmp_path / "own.yaml"
