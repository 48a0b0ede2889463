"""A configuration that nobody can mean ends at once, with one line that says where."""

import os

import pytest

from jmetamer._base.errors import ConfigError
from jmetamer.config import cells, find_config, packaged_configs, read_config
from jmetamer.config.places import place_of
from jmetamer.config.reading import dump_yaml, parse_yaml


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
    "a million": "seed: {0}\nmodel: {{gcn: {{hidden: {0}}}}}".format(list(range(1, 1001))),
    "a trillion": "seed: {0}\nmodel: {{gcn: {{hidden: {0}, layers: {0}, dropout: [0]}}}}\n"
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
    path = config(tmp_path, "seed: [0, 1, 2]\ndataset: karate")
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
        ("metamers.layer", "{together: [conv1, conv1]}"),
        ("metamers.vary.edge_weights.candidates", "[[0, 1], [0, 1]]"),
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


@pytest.mark.parametrize("text", ["017", "08", "-012", "0_1", "1:30", "1:30.5", "-12:30:45"])
def test_numbers_in_base_8_or_60_are_refused_with_their_line(text):
    with pytest.raises(ConfigError, match=rf"line 2: '{text}' is in old YAML .* in quotes"):
        parse_yaml(f"a: 1\nseed: {text}")
    assert parse_yaml(f"seed: '{text}'") == {"seed": text}
    assert parse_yaml(dump_yaml({"seed": text, "b": "1e3"})) == {"seed": text, "b": "1e3"}


def test_numbers_in_base_10_and_16_are_read():
    values = {"0": 0, "-0": 0, "0x1f": 31, "1_000": 1000, "0.5": 0.5, "00.5": 0.5, "0e3": 0.0}
    assert parse_yaml(f"[{', '.join(values)}]") == list(values.values())


def test_merge_keys_lay_a_mapping_under_the_others():
    text = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, y: 3}\nc: {<<: [*b, {z: 5}]}\nd: {z: 0, <<: *b}"
    tree = parse_yaml(text)
    assert tree["b"] == {"x": 1, "y": 3}
    assert tree["c"] == {"x": 1, "y": 3, "z": 5}
    assert tree["d"] == {"x": 1, "y": 3, "z": 0}
    twice = "a: {<<: {x: 1}, <<: {x: 2}}"
    for wrong in ("a: {<<: {x: 1, x: 2}}", "a: {<<: {x: 1}, y: 2, y: 3}", twice):
        with pytest.raises(ConfigError, match="is given twice"):
            parse_yaml(wrong)
    with pytest.raises(ConfigError, match="line 1: `<<` is 3; allowed"):
        parse_yaml("a: {<<: 3}")


def test_an_empty_list_of_options_is_refused(tmp_path):
    path = config(tmp_path, "dataset: {digits: {neighbors: []}}")
    with pytest.raises(ConfigError, match=r"`dataset.digits.neighbors` is an empty list"):
        read_config(path)
    path = config(tmp_path, "dataset: {digits: {neighbors: [5, 6]}}")
    assert [cell.dataset.neighbors for cell in cells(read_config(path))] == [5, 6]


def test_a_key_of_three_thousand_parts_is_refused_in_one_short_line(tmp_path):
    with pytest.raises(ConfigError, match="up to 40 parts") as caught:
        read_config(config(tmp_path, ""), [f"model.hidden{'.a' * 3000}=1"])
    assert len(str(caught.value)) < 400


def test_each_of_many_nodes_is_compared_once():
    compared = []

    class Node(int):
        __hash__ = int.__hash__

        def __eq__(self, other):
            compared.append(other)
            return int(self) == int(other)

    place_of(tuple[int, ...]).value([Node(n) for n in range(3000)], "metamers.nodes")
    assert len(compared) < 3000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 5000, r"unknown `dataset` 'x{119}\.\.\."),
        ("x" * 5000 + ".npz", r"unknown `dataset`"),
        ("~nobody_of_this_name/a.npz", r"in `dataset`: .* set HOME"),
        ('"a\\0b.npz"', r"in `dataset`: .* names no file"),
    ],
)
def test_a_name_of_no_file_is_refused_as_a_dataset(tmp_path, name, message):
    with pytest.raises(ConfigError, match=message):
        cells(read_config(config(tmp_path, f"dataset: {name}")))


def test_a_pipe_is_no_configuration(tmp_path):
    os.mkfifo(tmp_path / "own.yaml")
    with pytest.raises(ConfigError, match=r"own.yaml`: it is a pipe or a device"):
        read_config(tmp_path / "own.yaml")
