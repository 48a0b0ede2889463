"""Settings of what varies where edges do: what they become, and what is refused before training."""

import dataclasses
import types

import pytest
import yaml

import jmetamer as jm
from jmetamer import config
from jmetamer._base.errors import ConfigError
from jmetamer.config import (
    build_dataset,
    build_known_measures,
    build_measures,
    build_model,
    build_parameterization,
    build_train_settings,
    cells,
    read_config,
)
from jmetamer.config.settings import EdgeSettings
from jmetamer.metamers.methods.optimize.optimizers import Optimizer
from jmetamer.oracles.known_answers import cycles

KARATE = "dataset: {name: karate}\nmodel: {hidden: 4}\ntraining: {epochs: 0}\n"


@pytest.fixture
def read(tmp_path):
    """Cells of a config of the karate club, given the settings of its metamers."""

    def of(metamers, *overrides, before=KARATE):
        path = tmp_path / "given.yaml"
        path.write_text(f"{before}metamers: {metamers}")
        return cells(read_config(path, overrides))

    return of


@pytest.fixture(scope="module")
def karate():
    return jm.load_dataset("karate")


def built(cell, data):
    return build_parameterization(cell, data)


def problem_of(cell, data):
    trained = jm.train(build_model(cell), data, settings=build_train_settings(cell))
    return config.build_problem(cell, trained, data)


def method_of(cell, data):
    return config.build_method(cell, problem_of(cell, data))


class TestWhatVaries:
    def test_is_edges_with_the_defaults_of_the_library(self, read, karate):
        (cell,) = read("{vary: edges}")
        assert built(cell, karate) == jm.BinaryEdges()
        given = dataclasses.asdict(cell.metamers.edges)
        for kind in (jm.BinaryEdges, jm.RelaxEdges):
            own = {f.name: f.default for f in dataclasses.fields(kind) if f.name in given}
            # The rates are those of `metamers.learning_rate`.
            assert {n: v for n, v in own.items() if not n.endswith("rate")}.items() <= given.items()

    def test_is_edges_with_everything_that_was_said(self, read, karate):
        edges = {
            "start": "rewired", "block": 50, "refill": "gradient", "refill_every": 7, "budget": 30,
            "penalty": 0.5, "draws": 3, "flips": 9, "directed": False,
        }  # fmt: skip
        (cell,) = read(f"{{vary: edges, edges: {yaml.safe_dump(edges, default_flow_style=True)}}}")
        of_edges = {name: edges.pop(name) for name in ("start", "budget", "directed")}
        assert built(cell, karate) == jm.BinaryEdges(**of_edges)
        assert method_of(cell, karate) == jm.RelaxEdges(**edges).filled_for(
            problem_of(cell, karate)
        )
        (cell,) = read("{vary: edges, edges: {start: reference, distance: 0.2}}")
        assert built(cell, karate) == jm.BinaryEdges(start="reference", distance=0.2)

    def test_is_features_and_edges(self, read, karate):
        (cell,) = read(
            "{vary: features_and_edges, domain: box, initialization: permuted, "
            "edges: {flips: 3, learning_rate: 0.2, feature_learning_rate: 0.3}}"
        )
        features = jm.ContinuousFeatures(jm.Box(*karate.feature_range), jm.PermutedRows())
        assert built(cell, karate) == (features, jm.BinaryEdges())
        found = method_of(cell, karate)
        assert (found.flips, found.learning_rate, found.feature_learning_rate) == (3, 0.2, 0.3)
        (cell,) = read("{vary: features_and_edges, features: binary_features, slope: 2}")
        assert built(cell, karate) == (jm.BinaryFeatures(slope=2.0), jm.BinaryEdges())

    def test_is_features_given_edges(self, read, karate):
        (cell,) = read("{vary: features_given_edges, edges: {start: rewired, directed: true}}")
        edges = jm.RandomEdges(start="rewired", directed=True)
        assert built(cell, karate) == (jm.ContinuousFeatures(), edges)
        (cell,) = read("{vary: features_given_edges}")
        assert built(cell, karate) == (jm.ContinuousFeatures(), jm.RandomEdges())

    def test_is_edge_weights(self, read, karate):
        (cell,) = read("{vary: edge_weights}")
        assert built(cell, karate) == jm.EdgeWeights()
        (cell,) = read(
            "{vary: edge_weights, domain: box, bounds: [0, 3], "
            "edges: {directed: true, candidates: [[0, 9], [9, 14]]}}"
        )
        assert built(cell, karate) == jm.EdgeWeights(
            candidates=((0, 9), (9, 14)), domain=jm.Box(0.0, 3.0), directed=True
        )

    def test_comes_with_the_measures_of_what_varies(self, read):
        def names(vary):
            return {m.name.split("/")[0] for m in build_measures(read(f"{{vary: {vary}}}")[0])}

        assert names("edges") == names("edge_weights") == {"structure"}
        assert names("features_and_edges") == names("features_given_edges") == {
            "features", "structure"
        }  # fmt: skip
        assert names("continuous_features") == {"features"}

    def test_is_matched_to_a_tolerance_of_its_own(self, read):
        def tolerance(text):
            return read(f"{{{text}}}")[0].metamers.tolerance

        assert tolerance("vary: edges") == 1e-2
        assert tolerance("vary: edge_weights") == 1e-4
        assert tolerance("vary: features_and_edges") == 1e-4
        assert tolerance("vary: features_given_edges, features: binary_features") == 1e-2

    def test_is_solved_as_was_asked(self, read, karate):
        (cell,) = read(
            "{vary: edges, optimizer: adam, schedule: constant, steps: 7, nodes: [0, 33]}"
        )
        trained = jm.train(build_model(cell), karate, settings=build_train_settings(cell))
        problem = config.build_problem(cell, trained, karate)
        method = config.build_method(cell, problem)
        assert (method.name, method.steps, cell.metamers.tolerance) == ("relax_edges", 7, 1e-2)
        assert method.optimizer == Optimizer("adam", 0.05, "constant")
        for name, search in (("swap_search", jm.SwapSearch()), ("color_swaps", jm.ColorSwaps())):
            searched = read(f"{{vary: edges, method: {name}}}")[0]
            assert config.build_method(searched, problem) == search

    def test_of_exact_swaps_has_directions_alone(self, read, karate):
        (cell,) = read("{vary: edges, method: color_swaps, edges: {directed: true}}")
        given = dataclasses.asdict(cell.metamers.edges)
        assert {name for name, value in given.items() if value is not None} == {"directed"}
        assert built(cell, karate) == jm.BinaryEdges(directed=True)

    def test_is_named_in_the_cell(self, read):
        assert "-conv1-edges-" in read("{vary: edges}")[0].id
        assert "-conv1-features_and_edges-" in read("{vary: features_and_edges}")[0].id


class TestTheGrid:
    @pytest.mark.parametrize(
        ("vary", "name", "values"),
        [
            ("edges", "start", ["noise", "rewired"]),
            ("edges", "block", [10, 20]),
            ("edges", "refill", ["uniform", "near", "gradient"]),
            ("edges", "refill_every", [5, 6]),
            ("edges", "budget", [10, 20]),
            ("edges", "penalty", [0.1, 0.2]),
            ("edges", "draws", [0, 1]),
            ("edges", "flips", [0, 1]),
            ("edges", "directed", [False, True]),
            ("features_and_edges", "learning_rate", [0.1, 0.2]),
            ("features_and_edges", "feature_learning_rate", [0.1, 0.2]),
            ("features_given_edges", "start", ["noise", "rewired"]),
        ],
    )
    def test_takes_a_list_of_each_setting(self, read, vary, name, values):
        found = read(f"{{vary: {vary}}}", f"metamers.edges.{name}={values}")
        assert [getattr(cell.metamers.edges, name) for cell in found] == values
        assert len({cell.hash for cell in found}) == len(values)

    def test_takes_distances_of_walks(self, read):
        found = read("{vary: edges, edges: {start: reference, distance: [0.1, 0.3]}}")
        assert [cell.metamers.edges.distance for cell in found] == [0.1, 0.3]

    def test_takes_pairs_as_one_value_and_lists_of_pairs_as_several(self, read):
        (cell,) = read("{vary: edge_weights, edges: {candidates: [[0, 9], [9, 14]]}}")
        assert cell.metamers.edges.candidates == ((0, 9), (9, 14))
        found = read("{vary: edge_weights, edges: {candidates: [[[0, 9]], null]}}")
        assert [cell.metamers.edges.candidates for cell in found] == [((0, 9),), None]

    def test_takes_kinds_of_what_varies(self, read):
        kinds = ["edges", "edge_weights", "features_and_edges", "features_given_edges"]
        found = read(f"{{vary: {kinds}}}")
        assert [cell.metamers.vary for cell in found] == kinds

    def test_does_not_depend_on_whether_a_default_is_written_out(self, read):
        full = (
            "{vary: edges, edges: {start: noise, refill: uniform, refill_every: 25, penalty: 0.3, "
            "draws: 20, flips: 1000}, tolerance: 1e-2}"
        )
        assert read("{vary: edges}")[0].hash == read(full)[0].hash

    def test_leaves_cells_of_features_as_they_are(self, read):
        (cell,) = read("{}")
        assert set(dataclasses.asdict(cell.metamers.edges).values()) == {None}
        assert cell.metamers.initialization == "global"
        assert cell.metamers.features is None


BAD = [
    # settings of metamers, words that the message must hold
    ("{edges: {start: noise}}", "`metamers.edges.start` is 'noise', but `metamers.vary` is 'conti"),
    ("{vary: edges, domain: free}", "`metamers.domain` is 'free', but `metamers.vary` is 'edges'"),
    ("{vary: edges, slope: 1}", "`metamers.slope` is 1.0, but `metamers.vary` is 'edges', which"),
    ("{vary: edges, initialization: global}", "`metamers.initialization` is 'global', but `metam"),
    ("{vary: edges, features: binary_features}", "`metamers.features` is 'binary_features', but"),
    ("{vary: edges, bounds: [0, 1]}", "only the domain 'box' has bounds"),
    ("{vary: edges, edges: {learning_rate: 1}}", "`metamers.edges.learning_rate` is 1.0, but"),
    ("{vary: edges, edges: {candidates: [[0, 1]]}}", "`metamers.vary` is 'edges', which has no ca"),
    ("{vary: edges, coordinates: entry}", "'entry', which are coordinates of features, but"),
    ("{vary: edge_weights, coordinates: row_space}", "'row_space', which are coordinates of feat"),
    ("{vary: edge_weights, edges: {start: noise}}", "`metamers.vary` is 'edge_weights', which has"),
    ("{vary: edge_weights, domain: free}", "edges have no negative weights; allowed: non_negative"),
    ("{vary: edge_weights, domain: box}", "a dataset has no range of edge weights; give `metamers"),
    ("{vary: edge_weights, domain: box, bounds: [-1, 1]}", "with bounds [-1.0, 1.0], but edges"),
    ("{vary: edge_weights, method: swap_search}", "searches over edges alone, but `metamers.vary`"),
    ("{vary: edge_weights, edges: {candidates: [0, 1]}}", "is [0, 1]; allowed: a list of one or"),
    ("{vary: features_given_edges, edges: {flips: 3}}", "'features_given_edges', which has no fl"),
    ("{vary: features_given_edges, edges: {start: reference}}", "'reference', but with features_"),
    ("{vary: features_and_edges, slope: 1}", "but `metamers.features` is 'continuous_features'"),
    (
        "{vary: features_and_edges, features: binary_features, domain: box}",
        "but `metamers.features` is 'binary_features', which has no domain",
    ),
    (
        "{vary: features_and_edges, method: swap_search}",
        "searches over edges alone, but `metamers.",
    ),
    ("{vary: features_and_edges, method: walk}", "needs `metamers.vary` continuous_features"),
    ("{vary: edges, method: walk}", "needs `metamers.vary` continuous_features"),
    ("{vary: edges, method: swap_serch}", "unknown `metamers.method` 'swap_serch'; did you mean"),
    (
        "{vary: edges, method: swap_search, steps: 3}",
        "but `metamers.steps` is 3: it would be ignored",
    ),
    *(
        (f"{{vary: edges, method: {name}}}", f"unknown `metamers.method` '{name}'")
        for name in ("annealing", "relax_edges", "repel")
    ),
    ("{vary: edges, method: color_swaps, steps: 3}", "`metamers.steps` is 3: it would be ignored"),
    (
        "{vary: edges, method: color_swaps, edges: {start: rewired}}",
        "'color_swaps', which swaps ed",
    ),
    ("{vary: edges, method: color_swaps, edges: {budget: 3}}", "`metamers.edges.budget` is 3, but"),
    ("{vary: features_and_edges, method: color_swaps}", "searches over edges alone, but `metamers"),
    ("{method: color_swaps}", "searches over edges alone, but `metamers.vary` is 'continuous_feat"),
    ("{vary: edges, method: swap_search, optimizer: adam}", "`metamers.optimizer` is 'adam': it w"),
    ("{vary: edges, method: swap_search, edges: {flips: 3}}", "which relaxes nothing: it would be"),
    (
        "{vary: edges, method: swap_search, edges: {start: reference}}",
        "'reference', but with swap_",
    ),
    ("{method: swap_search}", "searches over edges alone, but `metamers.vary` is 'continuous_fea"),
    (
        "{vary: edges, edges: {start: rewird}}",
        "allowed: 'noise' or 'any_density' or 'rewired' or 'reference' or nul",
    ),
    (
        "{vary: edges, edges: {stat: noise}}",
        "`metamers.edges.stat`; did you mean `metamers.edges.s",
    ),
    ("{vary: edges, edges: noise}", "`metamers.edges` is 'noise', but it is a section"),
    (
        "{vary: edges, edges: {block: 0}}",
        "`metamers.edges.block` is 0; allowed: a whole number fro",
    ),
    ("{vary: edges, edges: {distance: 0}}", "is 0; allowed: a number above 0 and up to 1"),
    ("{vary: edges, edges: {distance: 0.2}}", "`distance` is 0.2, but the start is 'noise'"),
    ("{vary: edges, edges: {start: reference}}", "a walk from the reference needs to know how far"),
    ("{vary: edges, optimizer: lbfgs}", "`optimizer` is"),
]


class TestWhatCannotBe:
    @pytest.mark.parametrize(("text", "words"), BAD, ids=[text for text, _ in BAD])
    def test_is_refused_before_anything_is_computed(self, read, text, words):
        with pytest.raises(ConfigError) as caught:
            read(text)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("vary", ["edges", "edge_weights", "features_and_edges"])
    def test_is_refused_for_a_maximum_over_neighbors(self, read, vary):
        sage = "model: {architecture: graphsage, aggregator: max}\n"
        with pytest.raises(ConfigError, match="maximum over neighbors"):
            read(f"{{vary: {vary}}}", before=sage)
        assert read("{vary: features_given_edges}", before=sage)
        assert read("{vary: edges, method: swap_search}", before=sage)

    def test_is_refused_for_features_that_are_not_0_and_1(self, read):
        (cell,) = read("{vary: features_and_edges, features: binary_features}", before="")
        with pytest.raises(
            ConfigError, match=r"`metamers.features` is 'binary_f.*write `features: c"
        ):
            built(cell, build_dataset(cell))


def test_every_setting_of_edges_belongs_to_something():
    from jmetamer.config import varying

    named = {name for names in varying._EDGES.values() for name in names}
    assert named == {field.name for field in dataclasses.fields(EdgeSettings)}
    # A list of nodes is of one graph, and made by `local_problem`.
    own = {field.name for field in dataclasses.fields(jm.BinaryEdges)} - {"nodes"}
    assert own <= named


def test_a_costly_measure_that_is_named_and_does_not_apply_is_told(read, caplog):
    ring = cycles([400])
    data = types.SimpleNamespace(name="ring", graph=ring, labels=None, train_mask=None)
    network = types.SimpleNamespace(first_layer=lambda params: None)
    trained = types.SimpleNamespace(model=network, params=None)
    names = ("structure/edge_f1", "structure/folklore_wl", "structure/edge_jaccard")
    (cell,) = read(f"{{vary: edges}}\nmeasures: [[{', '.join(names)}]]")
    kept = build_known_measures(cell, trained, data)
    assert [measure.name for measure in kept] == [names[0], names[2]]
    assert "structure/folklore_wl does not apply to ring (400 nodes)" in caplog.text
