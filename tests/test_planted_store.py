"""`planted:` of a sweep: what is stored, and what stands beside every "0 of N"; what is refused."""

import dataclasses
import json

import networkx as nx
import numpy as np
import pytest

import jmetamer as jm
from jmetamer._base.errors import ConfigError
from jmetamer.config import cells, read_config
from jmetamer.metamers.methods import Task
from jmetamer.metamers.status import Status
from jmetamer.oracles import planted_search
from jmetamer.oracles.planted_search import search_planted
from jmetamer.report import write_report
from jmetamer.report.leaderboard import write_leaderboard
from jmetamer.results import clopper_pearson_interval, open_run
from jmetamer.results.absence import planted_scalars, planted_text
from jmetamer.sweep import command as sweep

COUNT, PROBLEMS = 24, 3
# Karate's features tell all nodes apart, so that no two edges can be exchanged: 0 of N.
CONFIG = f"""
dataset: karate
model: {{gcn: {{hidden: 4}}}}
training: {{epochs: 0}}
metamers: {{vary: binary_edges, method: color_swaps, count: {COUNT}, layer: conv1}}
geometry: null
planted: {{problems: [{PROBLEMS}, 0]}}
"""
WORDS = f"{PROBLEMS} of {PROBLEMS} planted problems (6 nodes) solved: up to 63% of metamers as hard"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    (folder / "planted.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        patch.setattr("builtins.print", lambda *words, **_: lines.extend(map(str, words)))
        patch.setattr(sweep.Terminal, "line", lambda _, text: lines.append(text))
        assert sweep.main([str(folder / "planted.yaml"), "--out", str(folder / "run")]) == 0
    grid = cells(read_config(folder / "planted.yaml"))
    return open_run(folder / "run"), [cell.id for cell in grid], lines


@pytest.fixture(scope="module")
def problem():
    data = jm.load_dataset("karate")
    trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
    return jm.Problem(trained, data.graph, layer="conv1", vary=jm.BinaryEdges(), nodes=[0, 33])


def task_of(problem, method=None, tolerance=1e-2, seed=0):
    return Task(problem, seed, method or jm.default_method(problem), tolerance)


def test_a_record_holds_what_was_planted_what_was_solved_and_the_bound(swept):
    run, (planted, without), _ = swept
    scalars = run.scalars(planted)
    assert (scalars["planted_problems"], scalars["planted_solved"]) == (PROBLEMS, PROBLEMS)
    # 95 % of the limit below which the recall lies: 0.05^(1 / 3), exactly.
    assert scalars["planted_missed_upper"] == pytest.approx(1 - 0.05 ** (1 / PROBLEMS))
    assert not any(name.startswith("planted") for name in run.scalars(without))


def test_terminal_report_and_leaderboard_say_it_beside_none_of_all(swept, tmp_path):
    run, (planted, without), lines = swept
    rows = {row["cell"]: row for row in run.summary()}
    assert rows[planted]["success_count"] == 0
    assert WORDS in rows[planted]["planted"]
    assert rows[without]["planted"] == ""
    said = [line for line in lines if f"0 of {COUNT}" in line]
    assert [WORDS in line for line in said if planted in line] == [True]
    assert not any(WORDS in line for line in said if without in line)
    page = write_report(run).read_text()
    # Beside the share in the tables of all cells, of all criteria, of the cell; in its sentences.
    assert page.count(WORDS) >= 4
    html, data = write_leaderboard([run.folder], tmp_path / "l.html", tmp_path / "l.json")
    rates = [row["success"] for board in json.loads(data.read_text())["boards"]
             for row in board["rows"] if row["control"] != "identity"]  # fmt: skip
    assert [rate["count"] for rate in rates] == [0] * len(rates)
    assert any(WORDS in rate["planted"] for rate in rates) == any(
        rate["total"] == COUNT for rate in rates
    )
    assert html.read_text().count(WORDS) == sum(2 * (WORDS in rate["planted"]) for rate in rates)


@pytest.mark.parametrize(("solved", "planted"), [(0, 4), (5, 8), (20, 20)])
def test_the_bound_is_the_rest_of_the_lower_limit_of_the_recall(solved, planted):
    missed = planted_scalars(solved, planted)["planted_missed_upper"]
    assert missed == pytest.approx(1 - clopper_pearson_interval(solved, planted, 0.9)[0])


def test_the_bound_holds_as_often_as_it_says():
    rng = np.random.default_rng(0)
    for recall in (0.5, 0.9, 0.99):
        bounds = [planted_scalars(int(k), 20)["planted_missed_upper"] for k in range(21)]
        solved = rng.binomial(20, recall, 20_000)
        assert np.mean(np.array(bounds)[solved] >= 1 - recall) >= 0.947


def test_words_of_several_records_take_the_largest_bound_and_need_all_of_them():
    one, other = planted_scalars(4, 4), planted_scalars(2, 4)
    assert planted_text(0, one, other).startswith("6 of 8 planted problems")
    missed = f"{other['planted_missed_upper']:.0%}"
    assert all(missed in planted_text(0, *some) for some in ((one, other), (other,)))
    assert planted_text(0, one, {}) == planted_text(2, one) == planted_text(0) == ""


class TestSearches:
    def test_have_network_layer_tolerance_and_budget_of_the_problem(self, problem, monkeypatch):
        asked = []

        def generate(planted, count, *, seed, method, tolerance, keep_theta):
            asked.append((planted, count, seed, method, tolerance))
            given = {"seed": seed, "method": method, "tolerance": tolerance}
            return jm.generate(planted, count, **given, keep_theta=keep_theta)

        monkeypatch.setattr(planted_search, "generate", generate)
        task = task_of(problem, jm.ColorSwaps(swaps=40), tolerance=1e-3, seed=3)
        found = search_planted(task, problems=4, count=6)
        assert found.names == ("ring_6", "copies_6") * 2
        assert found.seeds == 6
        rows = {row.tobytes() for row in np.asarray(problem.graph.nodes)}
        for place, (planted, count, *used) in enumerate(asked):
            assert (planted.trained, planted.layers) == (problem.trained, problem.layers)
            assert planted.vary == problem.vary
            assert (count, used) == (6, [3 + place, task.method, 1e-3])
            assert {row.tobytes() for row in np.asarray(planted.graph.nodes)} <= rows
        first, third = (np.asarray(asked[place][0].graph.nodes) for place in (0, 2))
        assert not np.array_equal(first, third), "features are drawn anew"

    def test_count_graphs_that_are_not_the_reference_renamed(self, problem):
        (_, ring), = planted_search.itertools.islice(
            planted_search._planted(problem, 0), 1
        )  # fmt: skip
        graphs = {}
        jm.generate(ring, 20, method="color_swaps", on_metamer=graphs.__setitem__)
        pieces = []
        for graph in graphs.values():
            kept = np.asarray(graph.edges.weight) > 0
            ends = (np.asarray(side)[kept].tolist() for side in (graph.senders, graph.receivers))
            pieces.append(nx.number_connected_components(nx.Graph(zip(*ends, strict=True))))
        found = search_planted(task_of(problem, jm.ColorSwaps()), problems=1, count=20)
        assert found.converged == (pieces.count(2),)
        assert 0 < pieces.count(2) < 20

    def test_that_end_without_a_metamer_are_not_solved(self, problem, monkeypatch):
        ends = iter([[Status.UNCHANGED, Status.STALLED], [Status.STALLED, Status.CONVERGED]])
        monkeypatch.setattr(
            planted_search,
            "generate",
            lambda *_, **__: type("Made", (), {"status": np.array(next(ends))}),
        )
        found = search_planted(task_of(problem), problems=2, count=2)
        assert (found.converged, found.solved) == ((0, 1), 1)

    def test_of_one_feature_row_are_those_of_equal_nodes(self, problem):
        alike = problem.graph._replace(nodes=np.ones_like(problem.graph.nodes))
        alike = jm.Problem(problem.trained, alike, layer="conv1", vary=jm.BinaryEdges())
        found = search_planted(task_of(alike, jm.ColorSwaps()), problems=2, count=2)
        assert found.names == ("ring_6", "ring_6")

    def test_get_no_kicks_where_the_problem_has_none(self, problem):
        small = task_of(problem).method.sized_by(problem)
        assert small.kicks is None, "the block holds all of 561 pairs"
        vary = (jm.ContinuousFeatures(), jm.BinaryEdges())
        joint = jm.Problem(problem.trained, problem.graph, "conv1", vary)
        for one in (problem, joint):
            method = jm.RelaxEdges(block=100).for_problem(one)
            expected = dataclasses.replace(method, kicks=0)
            assert method.sized_by(one) == expected
        search = jm.SwapSearch()
        assert search.sized_by(problem) is search

    def test_leave_out_what_the_network_maps_to_zero(self, problem, monkeypatch):
        import jax

        monkeypatch.setattr(planted_search, "_MOST_DRAWS", 3)
        zero = jax.tree.map(np.zeros_like, problem.trained.params)
        dead = type("Dead", (), {"model": problem.trained.model, "params": zero})()
        nothing = jm.Problem(dead, problem.graph, layer="conv1", vary=jm.BinaryEdges())
        assert search_planted(task_of(nothing), problems=2, count=1).names == ()


@pytest.mark.parametrize(
    ("vary", "named"),
    [
        ("continuous_features", "ContinuousFeatures"),
        ("binary_features", "BinaryFeatures"),
        ("edge_weights", "EdgeWeights"),
    ],
)
def test_is_refused_where_edges_do_not_come_and_go(vary, named, tmp_path):
    path = tmp_path / "given.yaml"
    path.write_text(f"dataset: karate\nmetamers: {{vary: {vary}}}")
    with pytest.raises(ConfigError, match=rf"`planted\.problems` is 2, but .*{named}.*edges"):
        cells(read_config(path, ["planted.problems=2"]))
    assert cells(read_config(path, ["planted.problems=0"]))


@pytest.mark.parametrize(
    "vary",
    [
        "binary_edges",
        "{together: [continuous_features, binary_edges]}",
        "{together: [continuous_features, random_edges]}",
    ],
)
def test_belongs_to_edges_that_come_and_go(vary, tmp_path):
    path = tmp_path / "given.yaml"
    path.write_text(f"dataset: karate\nmetamers: {{vary: {vary}}}")
    (cell,) = cells(read_config(path, ["planted.problems=2"]))
    assert cell.settings["planted"] == {"problems": 2}
