"""Misuse is refused at once, by a text that says what is allowed."""

import dataclasses

import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.vary.initialization import GlobalNoise, PermutedRows


def message(call):
    with pytest.raises(jm.InputError) as raised:
        call()
    return str(raised.value)


def bare(graph):
    return graph._replace(nodes=np.zeros((16, 0), np.float32))


class TestProblem:
    def test_lists_the_layers_with_the_nearest_match(self, trained, graph):
        text = message(lambda: jm.Problem(trained, graph, layer="conv11"))
        assert text == (
            "unknown layer 'conv11'; did you mean 'conv1'? Allowed: 'conv1.pre', 'conv1', 'logits'."
        )

    def test_lists_the_layers_where_one_of_several_is_unknown(self, trained, graph):
        text = message(lambda: jm.Problem(trained, graph, layer=("conv1", "logit")))
        assert "unknown layer 'logit'; did you mean 'logits'?" in text

    def test_refuses_no_layer_at_all(self, trained, graph):
        text = message(lambda: jm.Problem(trained, graph, layer=()))
        assert "`layer` is empty" in text
        assert "conv1.pre, conv1, logits" in text

    @pytest.mark.parametrize(("nodes", "given"), [([0, 16], 16), ([0, -1], -1)])
    def test_refuses_nodes_out_of_range(self, trained, graph, nodes, given):
        text = message(lambda: jm.Problem(trained, graph, layer="conv1", nodes=nodes))
        assert text == (f"`nodes`[1] is {given}, but the graph has 16 nodes: allowed are 0 to 15")

    def test_refuses_a_node_named_twice(self, trained, graph):
        text = message(lambda: jm.Problem(trained, graph, layer="conv1", nodes=[3, 5, 3]))
        assert "`nodes` names a node twice" in text

    @pytest.mark.parametrize("nodes", [[], [0.5], 3, [[1, 2]]])
    def test_refuses_what_is_no_list_of_nodes(self, trained, graph, nodes):
        text = message(lambda: jm.Problem(trained, graph, layer="conv1", nodes=nodes))
        assert text.startswith("`nodes` ")
        assert "list" in text

    def test_refuses_a_target_of_the_wrong_shape(self, trained, graph):
        def make():
            return jm.Problem(trained, graph, layer="conv1", target=np.ones((16, 3))).arrays

        text = message(make)
        assert "`target` of layer 'conv1' has shape (16, 3), allowed is (16, 4)" in text
        assert "one row a target node, one column a unit" in text

    def test_without_features_there_must_be_a_target(self, trained, graph):
        text = message(lambda: jm.Problem(trained, bare(graph), layer="conv1"))
        assert "`graph` has no features (nodes of shape [n, 0])" in text
        assert "give features, or the activation to match as `target`" in text

    @pytest.mark.parametrize(
        ("vary", "part"),
        [
            (jm.BinaryFeatures(), "which is defined by a reference's features"),
            (jm.ContinuousFeatures(initialization=PermutedRows()), "`GlobalNoise(mean=..., std="),
        ],
    )
    def test_without_features_nothing_may_read_them(self, trained, graph, vary, part):
        def make():
            return jm.Problem(trained, bare(graph), "conv1", vary, target=np.ones((16, 4)))

        assert part in message(make)

    def test_noise_takes_both_statistics_or_none(self):
        assert "give both, or none" in message(lambda: GlobalNoise(mean=1.0))
        assert "`std` is -1.0" in message(lambda: GlobalNoise(mean=1.0, std=-1.0))

    def test_refuses_one_target_for_several_layers(self, trained, graph):
        def make():
            target = np.ones((16, 4))
            return jm.Problem(trained, graph, layer=("conv1", "logits"), target=target).arrays

        text = message(make)
        assert "`target` is one array, but 2 layers are matched" in text
        assert "mapping from layer to array" in text

    def test_refuses_a_target_that_lacks_a_layer(self, trained, graph):
        def make():
            target = {"conv1": np.ones((16, 4))}
            return jm.Problem(trained, graph, layer=("conv1", "logits"), target=target).arrays

        assert "unknown layer of `target` 'logits'" in message(make)

    def test_refuses_a_target_with_nan(self, trained, graph):
        def make():
            target = np.full((16, 4), np.nan)
            return jm.Problem(trained, graph, layer="conv1", target=target).arrays

        assert "`target` of layer 'conv1' holds NaN or infinite values" in message(make)

    def test_refuses_features_with_nan_naming_the_entry(self, trained, graph):
        nodes = np.array(graph.nodes)
        nodes[3, 7] = np.nan
        text = message(lambda: jm.Problem(trained, graph._replace(nodes=nodes), layer="conv1"))
        assert "`nodes[3, 7]` is nan; allowed: finite numbers" in text

    def test_refuses_edges_out_of_range_naming_the_entry(self, trained, graph):
        senders = np.array(graph.senders)
        senders[5] = 16
        text = message(lambda: jm.Problem(trained, graph._replace(senders=senders), layer="conv1"))
        assert "`senders[5]` is 16, which is no node; allowed: 0 to 15" in text

    def test_refuses_identity_backward_where_no_nonlinearity_is(self, trained, graph):
        text = message(lambda: jm.Problem(trained, graph, layer="logits", identity_backward=True))
        assert "`identity_backward` has no effect at logits" in text

    def test_refuses_a_graph_with_other_features_than_in_training(self, trained, graph):
        other = jm.make_graph(np.zeros((16, 7)), graph.senders, graph.receivers)
        text = message(lambda: jm.Problem(trained, other, layer="conv1").arrays)
        assert "`graph.nodes` has shape (16, 7)" in text
        assert "10 features" in text


class TestGenerate:
    def test_asks_for_count_or_seeds(self, problem):
        expected = "give either `count` or `seeds`: how many metamers, or which"
        assert message(lambda: jm.generate(problem)) == expected
        assert message(lambda: jm.generate(problem, 2, seeds=[0, 1])) == expected

    @pytest.mark.parametrize("count", [0, -3])
    def test_refuses_a_count_below_one(self, problem, count):
        text = message(lambda: jm.generate(problem, count=count))
        assert f"`count` is {count}" in text
        assert "from 1 up" in text

    @pytest.mark.parametrize("seeds", [[], [1, 1], [-1], [2**31]])
    def test_refuses_seeds_that_are_no_distinct_numbers(self, problem, seeds):
        text = message(lambda: jm.generate(problem, seeds=seeds))
        assert text.startswith("`seeds` ")
        assert str(seeds) in text

    @pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan")])
    def test_refuses_a_tolerance_that_is_not_positive(self, problem, tolerance):
        text = message(lambda: jm.generate(problem, count=1, tolerance=tolerance))
        assert f"`tolerance` is {tolerance}" in text
        assert "above 0" in text

    @pytest.mark.parametrize("name", ["steps", "lanes"])
    def test_refuses_counts_below_one(self, problem, name):
        text = message(lambda: jm.generate(problem, count=1, **{name: 0}))
        assert f"`{name}` is 0" in text
        assert "from 1 up" in text

    @pytest.mark.parametrize("method", [jm.Optimize, jm.RelaxEdges])
    def test_refuses_a_patience_below_one(self, method):
        text = message(lambda: method(patience=0))
        assert "`patience` is 0" in text
        assert "from 1 up" in text

    @pytest.mark.parametrize("improvement", [-0.1, 1.0, float("nan")])
    def test_refuses_an_improvement_outside_its_range(self, improvement):
        text = message(lambda: jm.Optimize(improvement=improvement))
        assert f"`improvement` is {improvement}" in text
        assert "from 0 up and below 1" in text

    def test_refuses_what_is_no_optimizer(self, problem):
        text = message(lambda: jm.generate(problem, count=1, optimizer="adam"))
        assert "`optimizer` is 'adam'" in text
        assert "`optax.adam(1e-2)`" in text
        assert "lane_lbfgs" in text


class TestOptimizer:
    def test_lists_the_names_with_the_nearest_match(self):
        text = message(lambda: jm.Optimizer("adamm", 0.1))
        assert text.startswith("unknown optimizer 'adamm'; did you mean 'adam'? Allowed: 'adam'")

    def test_lists_the_schedules_with_the_nearest_match(self):
        text = message(lambda: jm.Optimizer("adam", 0.1, "cosin"))
        assert text.startswith("unknown schedule 'cosin'; did you mean 'cosine'?")

    @pytest.mark.parametrize("name", ["lbfgs", "lane_lbfgs"])
    def test_refuses_a_learning_rate_that_would_be_ignored(self, name):
        text = message(lambda: jm.Optimizer(name, 0.1))
        assert f"optimizer {name!r} finds its own step length" in text
        assert "leave both out" in text
        assert "`schedule`='cosine'" in message(lambda: jm.Optimizer(name, None, "cosine"))

    @pytest.mark.parametrize("rate", [None, 0.0, -1.0, float("nan")])
    def test_refuses_a_missing_or_useless_learning_rate(self, rate):
        text = message(lambda: jm.Optimizer("adam", rate))
        assert "`learning_rate`" in text
        assert str(rate) in text


def test_a_problem_is_frozen(problem):
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.layer = "logits"
