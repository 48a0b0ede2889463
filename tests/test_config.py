import dataclasses
import itertools
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import jmetamer as jm
from jmetamer._base.errors import ConfigError, InputError
from jmetamer.config import (
    CellSettings,
    build_layers,
    build_measures,
    build_problem,
    cells,
    dump_yaml,
    find_config,
    packaged_configs,
    read_config,
    take_shard,
)
from jmetamer.config.settings import Settings
from jmetamer.metamers.methods.optimize.optimizers import OPTIMIZERS, WITHOUT_RATE, Optimizer
from jmetamer.models.perturbation import AdversarialPerturbation, RandomPerturbation

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def read(tmp_path):
    """Cells of a config given as text."""

    def of(text, *overrides, smoke=False):
        path = tmp_path / "given.yaml"
        path.write_text(text)
        return cells(read_config(path, overrides, smoke=smoke))

    return of


def error_of(read, text, *overrides, smoke=False):
    with pytest.raises(InputError) as caught:
        read(text, *overrides, smoke=smoke)
    assert isinstance(caught.value, ConfigError)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestTheGrid:
    def test_of_an_empty_config_is_one_cell_of_defaults(self, read):
        (cell,) = read("")
        assert (cell.dataset.name, cell.model, cell.metamers.count) == ("digits", jm.GCN(), 64)

    def test_is_the_product_of_all_lists_with_the_last_varying_fastest(self, read):
        found = read("model: {gcn: {activation: [relu, elu]}}\nmetamers: {layer: [conv1, logits]}")
        assert [(cell.model.activation, cell.metamers.layer) for cell in found] == list(
            itertools.product(["relu", "elu"], ["conv1", "logits"])
        )

    def test_takes_a_flat_list_of_nodes_as_one_value_and_nested_lists_as_several(self, read):
        assert [c.metamers.nodes for c in read("metamers: {nodes: [0, 1]}")] == [(0, 1)]
        found = read("metamers: {nodes: [[0], [1, 2], null]}")
        assert [c.metamers.nodes for c in found] == [(0,), (1, 2), None]
        assert [c.geometry.nodes for c in read("geometry: {nodes: [[4], 5]}")] == [(4,), 5]
        found = read("geometry: {layers: [[conv1, logits], all], channel: [[1, 2], null]}")
        assert [c.geometry.layers for c in found[::2]] == [("conv1", "logits"), "all"]
        assert [c.geometry.channel for c in found[:2]] == [(1.0, 2.0), None]

    def test_takes_names_and_names_with_fields_side_by_side(self, read):
        found = read("model: [gcn, {gat: {heads: [2, 4]}}, {gin: {eps: 0.5, train_eps: true}}]")
        assert [cell.model for cell in found] == [
            jm.GCN(), jm.GAT(heads=2), jm.GAT(heads=4), jm.GIN(eps=0.5, train_eps=True)
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            ("model.gcn.activation", ["relu", "elu"]),
            ("model.gcn.residual", [False, True]),
            ("model.gcn.normalization", ["none", "layer", "batch"]),
            ("model.gcn.hidden", [8, 64]),
            ("model.gcn.layers", [2, 3]),
            ("model.gcn.dropout", [0.0, 0.5]),
            ("training.weight_decay", [0.0, 5e-4]),
            ("training.shuffle_labels", [False, True]),
        ],
    )
    def test_crosses_every_lever_of_architecture_and_training_with_seeds(self, read, name, values):
        found = read("seed: [0, 1]", f"{name}={yaml.safe_dump(values)}")
        section, *_, field = name.split(".")
        assert {getattr(getattr(cell, section), field) for cell in found} == set(values)
        assert len({cell.hash for cell in found}) == 2 * len(values)

    def test_crosses_perturbations_with_their_own_fields(self, read):
        found = read("training: {perturbation: [null, adversarial, {random: {size: [0.1, 0.2]}}]}")
        assert [cell.training.perturbation for cell in found] == [
            None, AdversarialPerturbation(), RandomPerturbation(), RandomPerturbation(size=0.2)
        ]  # fmt: skip

    def test_spans_options_of_the_dataset(self, read):
        found = read("dataset: {sbm: {num_nodes: [20, 30], p_in: 0.5}}")
        assert [cell.dataset.num_nodes for cell in found] == [20, 30]
        assert found[0].dataset.num_classes == 4  # the loader's default, written out
        assert found[0].dataset.load().graph.nodes.shape[0] == 20

    def test_takes_several_that_belong_together_as_one(self, read):
        found = read("metamers: {layer: [{together: [conv1, logits]}, conv1, all]}")
        assert [cell.metamers.layer for cell in found] == [("conv1", "logits"), "conv1", "all"]
        edges = "{binary_edges: {budget: [3, 4]}}"
        found = read(f"metamers: {{vary: {{together: [continuous_features, {edges}]}}}}")
        assert [cell.metamers.vary for cell in found] == [
            (jm.ContinuousFeatures(), jm.BinaryEdges(budget=budget)) for budget in (3, 4)
        ]

    def test_takes_pairs_as_one_value_and_lists_of_pairs_as_several(self, read):
        def found(text):
            grid = read(f"metamers: {{vary: {{edge_weights: {{candidates: {text}}}}}}}")
            return [cell.metamers.vary.candidates for cell in grid]

        assert found("[[0, 9], [9, 14]]") == [((0, 9), (9, 14))]
        assert found("[[[0, 9]], null]") == [((0, 9),), None]

    def test_keeps_a_point_that_occurs_twice_once(self, read):
        assert len(read("seed: [0, 0, 1]")) == 2
        assert len(read("runs: [{seed: 0}, {seed: [0, 1]}]")) == 2

    def test_of_runs_lays_each_block_over_what_is_shared(self, read):
        text = """
metamers: {layer: [conv1, logits], count: 3}
runs:
  - metamers: {vary: {binary_features: {slope: 2}}}
  - metamers: {layer: conv1, count: 5}
"""
        found = read(text)
        assert [(c.metamers.vary, c.metamers.layer, c.metamers.count) for c in found] == [
            (jm.BinaryFeatures(slope=2.0), "conv1", 3),
            (jm.BinaryFeatures(slope=2.0), "logits", 3),
            (jm.ContinuousFeatures(), "conv1", 5),
        ]

    def test_is_changed_by_smoke_and_then_by_set_also_inside_blocks(self, read):
        text = """
metamers: {count: 64, method: {optimize: {steps: 100, patience: 9}}}
runs: [{metamers: {count: 32}}]
smoke: {metamers: {count: 2, method: {optimize: {steps: 3}}}}
"""
        assert read(text)[0].metamers.count == 32
        smoke = read(text, smoke=True)[0].metamers
        assert (smoke.count, smoke.method) == (2, jm.Optimize(steps=3, patience=9))
        both = read(text, "metamers.count=7", smoke=True)[0].metamers
        assert (both.count, both.method.steps) == (7, 3)

    @pytest.mark.parametrize(
        ("below", "change", "models"),
        [
            ("gat", "model.gat.heads=4", [jm.GAT(heads=4)]),
            ("{gat: {hidden: 16}}", "model.gat.heads=4", [jm.GAT(hidden=16, heads=4)]),
            ("{gat: {hidden: 16}}", "model=gat", [jm.GAT()]),
            ("gcn", "model.gat.heads=4", [jm.GAT(heads=4)]),
            ("[gcn, {gat: {hidden: 16}}]", "model.gat.heads=4",
             [jm.GCN(), jm.GAT(hidden=16, heads=4)]),
            ("[gcn, gin]", "model.gat.heads=4", [jm.GAT(heads=4)]),
            ("[gcn, gin]", "model=gat", [jm.GAT()]),
        ],
    )  # fmt: skip
    def test_is_changed_at_the_object_of_the_same_name(self, read, below, change, models):
        assert [cell.model for cell in read(f"model: {below}", change)] == models

    @given(n=st.integers(1, 9), total=st.integers(0, 30))
    def test_is_partitioned_by_shards(self, n, total):
        grid = list(range(total))
        shards = [take_shard(grid, f"{i}/{n}") for i in range(n)]
        assert sorted(itertools.chain(*shards)) == grid
        assert max(map(len, shards)) - min(map(len, shards)) <= 1
        assert take_shard(grid, None) == tuple(grid)

    @pytest.mark.parametrize("shard", ["4/4", "1", "a/b", "-1/4", "0/0", "1/4/2", "1.0/4", ""])
    def test_refuses_a_shard_that_does_not_exist(self, shard):
        with pytest.raises(ConfigError, match=r"--shard got .* allowed is i/n with i from 0 to n"):
            take_shard([], shard)


class TestIdentity:
    def test_does_not_depend_on_the_order_of_keys_or_on_how_numbers_are_written(self, read):
        one = read("model: {gcn: {dropout: 0, hidden: 32}}\nseed: 1\nmetamers: {tolerance: 1e-3}")
        two = read(
            "metamers: {tolerance: 0.001}\nseed: 1\nmodel: {gcn: {hidden: 32, dropout: 0.0}}"
        )
        assert one[0].hash == two[0].hash
        assert one[0].id == two[0].id

    def test_does_not_depend_on_whether_a_default_is_written_out(self, read):
        for part in ("binary_features", "binary_edges"):
            bare = read(f"metamers: {{vary: {part}}}")[0]
            full = read(yaml.safe_dump(bare.settings))[0]
            assert bare.settings == full.settings
            assert bare.hash == full.hash

    def test_does_not_depend_on_lanes_and_folders(self, read):
        moved = read("metamers: {lanes: 4}\ndataset: {cora: {root: /x}}")[0]
        assert moved.hash == read("dataset: cora")[0].hash
        assert moved.dataset.root == "/x"

    def test_depends_on_every_other_setting(self, read):
        changes = {
            "seed": 1, "dataset": "karate", "dataset.digits.seed": 1, "model": "gin",
            "model.gcn.hidden": 8, "model.gcn.layers": 3, "model.gcn.activation": "elu",
            "model.gcn.residual": True, "model.gcn.normalization": "layer",
            "model.gcn.dropout": 0.1, "training.epochs": 0, "training.learning_rate": 1,
            "training.weight_decay": 0, "training.decayed": "all", "training.patience": None,
            "training.optimizer": "sgd", "training.perturbation": "random",
            "training.shuffle_labels": True, "training.seed": 1,
            "metamers.vary": "binary_features", "metamers.layer": "logits", "metamers.nodes": [1],
            "metamers.vary.continuous_features.domain": "box",
            "metamers.vary.continuous_features.initialization": "permuted",
            "metamers.loss": "relative_squared", "metamers.identity_backward": True,
            "metamers.method": {"repel": {"weight": 0.5}},
            "metamers.method.optimize.coordinates": "features",
            "metamers.method.optimize.optimizer": "lbfgs", "metamers.method.optimize.steps": 9,
            "metamers.method.optimize.patience": 3, "metamers.method.optimize.improvement": 0,
            "metamers.tolerance": 1, "metamers.count": 1, "metamers.seed": 1,
            "geometry": None, "geometry.nodes": 1, "geometry.inputs": "all",
            "geometry.layers": "matched", "geometry.maps": False, "geometry.ledger": True,
            "geometry.channel": [1.0, 0.2], "recognition": {}, "success.null_test": None,
            "success.null_test.pairs": 99, "measures": ["features/cosine"], "store.metamers": 1,
        }  # fmt: skip
        found = {
            read("", f"{key}={yaml.safe_dump(value)}")[0].hash for key, value in changes.items()
        }
        assert len(found | {read("")[0].hash}) == len(changes) + 1

    def test_names_the_cell_readably(self, read):
        layers = "[{together: [conv1, logits]}, conv1.pre]"
        found = read(f"metamers: {{layer: {layers}, vary: binary_features}}")
        assert found[0].id.startswith("digits-gcn-relu-conv1+logits-binary-")
        assert found[0].id.endswith(found[0].hash[:8])
        assert found[1].id.startswith("digits-gcn-relu-conv1.pre-binary-")
        both = read("metamers: {vary: {together: [continuous_features, binary_edges]}}")[0]
        assert both.id.startswith("digits-gcn-relu-conv1-continuous+binary_edges-")

    def test_survives_the_resolved_config_that_is_left_in_the_run_folder(self, tmp_path):
        path = tmp_path / "given.yaml"
        text = "runs: [{seed: [0, 1]}, {metamers: {tolerance: 1e-7, nodes: [[1], [2, 3]]}}]"
        for source in [text, "seed: 3\nmeasures: [features/cosine]"]:
            path.write_text(source)
            run = read_config(path, ["model.gcn.hidden=[4, 8]"])
            again = tmp_path / "config.yaml"
            again.write_text(dump_yaml(run.tree()))
            reread = read_config(again)
            assert [c.hash for c in cells(reread)] == [c.hash for c in cells(run)]
            assert reread.name == "given"

    def test_seeds_of_the_sections_follow_the_top_level_seed_unless_given(self, read):
        cell = read("seed: 7\ntraining: {seed: 2}")[0]
        assert (cell.dataset.seed, cell.training.seed, cell.metamers.seed) == (7, 2, 7)
        assert "seed" not in cell.settings

    def test_of_a_dataset_without_randomness_has_no_seed(self, read):
        assert read("dataset: cora\nseed: 7")[0].settings["dataset"] == {"cora": {}}
        assert read("dataset: Roman-Empire")[0].settings["dataset"] == {
            "roman_empire": {"split": 0}
        }


BAD = [
    # text of the config, words that the message must hold
    ("modle: {}", "unknown setting `modle`; did you mean `model`? Allowed at the top: name,"),
    ("model: {gcn: {hiden: 3}}", "`model.gcn.hiden`; did you mean `model.gcn.hidden`? Allowed in"),
    (
        "runs: [{seed: 0}, {metamers: {conut: 3}}]",
        "`runs[1].metamers.conut`; did you mean `runs[1]",
    ),
    ("smoke: {metamers: {cuont: 3}}", "`smoke.metamers.cuont`; did you mean `smoke.metamers.count"),
    ("runs: [{name: x}]", "unknown setting `runs[0].name`"),
    ("runs: {}", "`runs` is {}; allowed: a list of one or more blocks"),
    ("runs: []", "`runs` is []; allowed: a list of one or more blocks"),
    ("runs: [3]", "`runs[0]` is 3, but it is a section"),
    ("metamers: 3", "`metamers` is 3, but it is a section: it takes a mapping of vary, layer"),
    ("geometry: 3", "nodes, inputs, layers, maps, ledger, channel, or null"),
    ("model: 3", "`model` is 3; allowed: one of gcn, gat, graphsage, gin"),
    ("model: null", "`model` is None; allowed: one of gcn"),
    ("model: {}", "`model` is {}, with 0 keys; allowed: one name with its fields"),
    ("model: []", "`model` is an empty list"),
    ("model: {gcn: 3}", "`model.gcn` is 3; allowed: its fields"),
    ("model: {gcn: {}, gat: {}}", "with 2 keys; allowed: one name with its fields"),
    ("model: sage", "unknown `model` 'sage'; did you mean 'graphsage'?"),
    ("model: GCN", "unknown `model` 'GCN'; did you mean 'gcn'?"),
    ("model: [gcn, gta]", "unknown `model` 'gta'; did you mean 'gat'?"),
    ("model: {train_eps: true}", "`train_eps` is a field of gin: write `model.gin.train_eps`"),
    (
        "model.gcn.hidden: 3",
        "is a dotted key, which only --set understands; write it nested: model:",
    ),
    ("model: {gcn: {hidden: big}}", "`model.gcn.hidden` is 'big'; allowed: a whole number from 1"),
    (
        "model: {gcn: {hidden: '64'}}",
        "is '64'; allowed: a whole number from 1 up; write it without",
    ),
    ("model: {gcn: {hidden: 1.5}}", "`model.gcn.hidden` is 1.5; allowed: a whole number from 1 up"),
    ("model: {gcn: {hidden: [64, 0]}}", "`model.gcn.hidden` is 0; allowed: a whole number from 1"),
    ("model: {gcn: {hidden: true}}", "`model.gcn.hidden` is True; allowed: a whole number"),
    ("model: {gcn: {hidden: []}}", "`model.gcn.hidden` is an empty list, so the grid has no cells"),
    ("model: {gcn: {residual: 'false'}}", "is 'false'; allowed: true or false; write it without"),
    ("model: {gcn: {residual: 0}}", "`model.gcn.residual` is 0; allowed: true or false"),
    ("model: {gcn: {dropout: 1}}", "is 1; allowed: a number from 0 up and below 1"),
    ("model: {gcn: {dropout: .nan}}", "`model.gcn.dropout` is nan; allowed: a number"),
    ("model: {gcn: {activation: ReLU}}", "is 'ReLU'; allowed: 'relu' or"),
    ("model: {gcn: {activation: rleu}}", "did you mean 'relu'?"),
    (
        "model: {gcn: {normalization: lyer}}",
        "is 'lyer'; allowed: 'none' or 'layer' or 'batch'; did",
    ),
    (
        "model: {gcn: {heads: 4}}",
        "unknown setting `model.gcn.heads`. Allowed in `model.gcn`: hidden",
    ),
    ("model: {gat: {heads: 5}}", "in `model`: `hidden` is shared equally among the heads"),
    ("dataset: core", "unknown `dataset` 'core'; did you mean 'cora'? Allowed: 'digits'"),
    ("dataset: a/b.npz", "A .npz file is allowed too"),
    ("dataset: {cora: {seed: 1}}", "unknown setting `dataset.cora.seed`"),
    ("dataset: {digits: {neighbours: 3}}", "did you mean `dataset.digits.neighbors`?"),
    (
        "dataset: {digits: {neighbors: few}}",
        "`dataset.digits.neighbors` is 'few'; allowed: a whole",
    ),
    ("training: {optimizer: adm}", "is 'adm'; allowed: 'adam' or 'adamw' or 'sgd'; did you mean"),
    ("training: {patience: nver}", "`training.patience` is 'nver'; allowed: a whole number from 1"),
    ("training: {perturbation: adverse}", "'adverse'; did you mean 'adversarial'?"),
    (
        "training: {perturbation: {random: {steps: 3}}}",
        "unknown setting `training.perturbation.ran",
    ),
    ("training: {perturbation: {random: {size: 0}}}", "is 0; allowed: a number above 0"),
    ("training: {shuffle_labels: yes please}", "is 'yes please'; allowed: true or false"),
    ("metamers: {tolerance: 0}", "`metamers.tolerance` is 0; allowed: a number above 0 or null"),
    ("metamers: {vary: binary}", "unknown `metamers.vary` 'binary'; did you mean 'binary"),
    (
        "metamers: {vary: {together: []}}",
        "`metamers.vary.together` is []; allowed: a list of names",
    ),
    ("metamers: {vary: {together: [binary_edges, binary_edges]}}", "in `metamers.vary`"),
    ("metamers: {vary: random_edges}", "in `metamers.vary`"),
    (
        "metamers: {nodes: 3}",
        "`metamers.nodes` is 3; allowed: a list of (a whole number from 0 up)",
    ),
    ("metamers: {nodes: [[]]}", "`metamers.nodes` is []; allowed: a list of"),
    (
        "metamers: {layer: conv3}",
        "in `metamers.layer`: unknown layer 'conv3'; did you mean 'conv1'?",
    ),
    ("metamers: {layer: {together: conv1}}", "allowed: text or a list of (text), or {together: "),
    ("metamers: {layer: conv1+logits}", "{together: [conv1, logits]}"),
    ("metamers: {vary: {continuous_features: {domain: bx}}}", "'bx'; did you mean 'box'?"),
    (
        "metamers: {vary: {continuous_features: {domain: {box: {low: 1, high: 0}}}}}",
        "in `metamers.vary.continuous_features.domain`: `low`=1",
    ),
    (
        "metamers: {vary: {binary_features: {domain: box}}}",
        "unknown setting `metamers.vary.binary_features.domain`",
    ),
    (
        "metamers: {vary: {edge_weights: {domain: free}}}",
        "in `metamers.vary`: `domain` is Free(), which allows negative weights",
    ),
    (
        "metamers: {vary: {edge_weights: {candidates: [0, 1]}}}",
        "is [0, 1]; allowed: a list of (",
    ),
    (
        "metamers: {vary: {binary_edges: {distance: 0.2}}}",
        "`distance` is 0.2, but the start is 'noi",
    ),
    ("metamers: {vary: {binary_edges: {start: rewird}}}", "is 'rewird'; allowed: 'noise' or"),
    (
        "metamers: {vary: {binary_edges: {flips: 3}}}",
        "unknown setting `metamers.vary.binary_edges.f",
    ),
    (
        "metamers: {loss: complementary}",
        "unknown `metamers.loss` 'complementary'; did you mean 'com",
    ),
    (
        "metamers: {loss: {weighted: {layers: {conv1: -1}}}}",
        "allowed: a mapping of (text) to (a nu",
    ),
    ("metamers: {loss: {weighted: {layers: {conv2: 1}}}}", "unknown matched layer"),
    ("metamers: {method: walks}", "unknown `metamers.method` 'walks'; did you mean 'walk'"),
    ("metamers: {method: {optimize: {coordinates: row}}}", "is 'row'; allowed: 'auto' or"),
    ("metamers: {method: {optimize: {optimizer: adm}}}", "'adm'; did you mean 'adam'?"),
    (
        "metamers: {method: {optimize: {optimizer: {adam: {schedule: cos}}}}}",
        "adam.schedule` is 'cos'; allowed: 'constant' or 'cosine'",
    ),
    (
        "metamers: {method: {optimize: {optimizer: {adam: {moments: float16}}}}}",
        "is 'float16'; allowed: 'float32' or 'bfloat16'; did you mean 'bfloat16'?",
    ),
    ("metamers: {method: {optimize: {precision: hihg}}}", "is 'hihg'; allowed: 'default' or"),
    (
        "metamers: {method: {optimize: {optimizer: {lbfgs: {learning_rate: 1}}}}}",
        "unknown setting `metamers.method.optimize.optimizer.lbfgs.learning_rate`",
    ),
    (
        "metamers: {method: {optimize: {optimizer: {sgd: {moments: bfloat16}}}}}",
        "unknown setting `metamers.method.optimize.optimizer.sgd.moments`",
    ),
    ("metamers: {method: {walk: {optimizer: adam}}}", "`metamers.method.walk.optimizer`"),
    ("metamers: {method: {swap_search: {flips: 3}}}", "`metamers.method.swap_search.flips`"),
    ("metamers: {method: repel}", "`metamers.method.repel.weight` is not given"),
    ("metamers: {method: reflect, count: 2}", "which gives every seed the same metamer"),
    *(
        (f"metamers: {{method: {method}, vary: {vary}, count: 1}}", "in `metamers.method`: ")
        for method, vary in [
            ("walk", "binary_features"),
            ("walk", "binary_edges"),
            ("replace", "{continuous_features: {domain: box}}"),
            ("swap_search", "continuous_features"),
            ("swap_search", "edge_weights"),
            ("swap_search", "{binary_edges: {start: reference, distance: 0.1}}"),
            ("swap_search", "{together: [continuous_features, binary_edges]}"),
            ("color_swaps", "continuous_features"),
            ("color_swaps", "{binary_edges: {start: rewired}}"),
            ("color_swaps", "{binary_edges: {budget: 3}}"),
            ("relax_edges", "continuous_features"),
            ("optimize", "binary_edges"),
            ("{repel: {weight: 1}}", "binary_edges"),
            ("{repel: {weight: 1, method: {optimize: {optimizer: lbfgs}}}}", "continuous_features"),
            ("{relax_edges: {coordinates: entry}}", "binary_edges"),
            ("{relax_edges: {optimizer: lbfgs}}", "binary_edges"),
            ("{optimize: {coordinates: row_space}}", "edge_weights"),
        ]
    ),
    ("metamers: {vary: binary_edges, loss: cosine}", "in `metamers.method`: "),
    ("metamers: {method: walk, loss: cosine, count: 1}", "in `metamers.method`: "),
    (
        "model: {graphsage: {aggregator: max}}\nmetamers: {vary: binary_edges}",
        "maximum over neighbors",
    ),
    (
        "model: {graphsage: {aggregator: max}}\nmetamers: {vary: edge_weights}",
        "maximum over neighbors",
    ),
    ("metamers: {layer: logits, identity_backward: true}", "layer 'logits' has no nonlinearity"),
    (
        "metamers: {identity_backward: true, loss: complementarity}",
        "write `loss: relative_squared`",
    ),
    ("geometry: {nodes: null}", "`geometry.nodes` is None; allowed: a whole number from 1 up or a"),
    ("geometry: {inputs: balls}", "is 'balls'; allowed: 'node' or 'ball' or 'all'; did you"),
    ("geometry: {layers: [conv3]}", "in `geometry.layers` 'conv3'; did you mean 'conv1'?"),
    ("geometry: {layers: most}", "is 'most'; allowed: 'matched' or 'all' or a list of (text)"),
    ("geometry: {maps: 1}", "`geometry.maps` is 1; allowed: true or false or 'auto'"),
    ("geometry: {ledger: -1}", "allowed: true or false or a whole number from 0 up"),
    ("geometry: {channel: [1, 0]}", "is [1, 0]; allowed: (a number above 0, a number above 0)"),
    ("recognition: {judges: [gcn, gni]}", "did you mean 'gin'?"),
    ("recognition: {first_seed: 0}", "write another `recognition.first_seed`"),
    ("planted: {problems: 3}", "`planted.problems` is 3, but `metamers.vary` is"),
    ("measures: [features/cosin]", "in `measures`: unknown measure 'features/cosin'; did you mean"),
    (
        "measures: [features/jaccard]",
        "in `measures`: `names` asks for 'features/jaccard', which is",
    ),
    ("measures: some", "`measures` is 'some'; allowed: a list of (text) or 'all'"),
    ("store: {metamers: al}", "is 'al'; allowed: a whole number from 0 up or 'all'; did you mean"),
    ("report: 'no'", "`report` is 'no'; allowed: true or false; write it without quotes"),
    ("name: a/b", "`name` is 'a/b'; allowed: text of up to 100 letters, digits"),
    ("name: ..", "`name` is '..'; allowed"),
    ("seed: -1", "`seed` is -1; allowed: a whole number from 0 up"),
    ("seed: 1\nseed: 2", "line 2: the key 'seed' is given twice, first on line 1"),
    ("1: 2", "line 1: the key 1 is not text"),
    ("- 1", "holds [1], but it must be a mapping of settings"),
    ("a: [", "not valid YAML"),
]
FORMER = [
    # text of the former flat form, the new path in the message
    ("dataset: {name: cora}", "dataset: NAME"),
    ("dataset: {options: {num_nodes: 3}}", "dataset: {NAME: {OPTION: VALUE}}"),
    ("dataset: {split: 1}", "dataset.NAME.split"),
    ("model: {architecture: gcn}", "model: NAME"),
    ("model: {hidden: 3, activation: elu}", "model.NAME.hidden"),
    ("runs: [{model: {heads: 3}}]", "model.NAME.heads"),
    ("training: {perturbation: [none, adversarial]}", "null"),
    ("training: {perturbation_size: 0.2}", "training.perturbation.adversarial.size"),
    ("metamers: {vary: edges}", "binary_edges"),
    ("metamers: {vary: [edges, features_given_edges]}", "binary_edges"),
    ("metamers: {vary: features_and_edges}", "{together: [continuous_features, binary_edges]}"),
    ("metamers: {domain: box}", "metamers.vary.continuous_features.domain"),
    ("metamers: {bounds: [0, 1]}", "metamers.vary.continuous_features.domain.box"),
    ("metamers: {slope: 1}", "metamers.vary.binary_features.slope"),
    ("metamers: {edges: {start: rewired}}", "metamers.vary.binary_edges.start"),
    ("metamers: {edges: {flips: 3}}", "metamers.method.relax_edges.flips"),
    ("metamers: {repulsion: 0.5}", "metamers.method.repel.weight"),
    ("metamers: {steps: 5}", "metamers.method.optimize.steps"),
    ("metamers: {learning_rate: 5}", "metamers.method.optimize.optimizer.NAME.learning_rate"),
    ("smoke: {metamers: {steps: 5}}", "metamers.method.optimize.steps"),
    ("metamers: {loss: auto}", "null"),
    ("geometry: {enabled: false}", "geometry: null"),
    ("success: {null_pairs: 0}", "success.null_test"),
    ("recognition: {judges: none}", "recognition: null"),
]


class TestAConfigThatCannotBeUsed:
    @pytest.mark.parametrize(("text", "words"), BAD, ids=[text for text, _ in BAD])
    def test_is_refused_with_the_path_the_value_and_what_is_allowed(self, read, text, words):
        assert words in error_of(read, text)

    @pytest.mark.parametrize(("text", "path"), FORMER, ids=[text for text, _ in FORMER])
    def test_of_the_former_flat_form_is_refused_with_the_new_path(self, read, text, path):
        message = error_of(read, text)
        assert "is of the former form of configurations; write" in message
        assert path in message.partition("; write")[2]

    @pytest.mark.parametrize(
        ("override", "words"),
        [
            ("model.hidden", "--set got 'model.hidden', but it takes key=value"),
            ("=3", "--set got '=3', but it takes key=value"),
            ("model..hidden=3", "but it takes key=value with a dotted key"),
            (
                "model.gcn.hiden=3",
                "--set model.gcn.hiden=3: unknown setting `model.gcn.hiden`; did",
            ),
            ("model.gcn.hidden=x", "--set model.gcn.hidden=x: `model.gcn.hidden` is 'x'; allowed"),
            ("model=3", "--set model=3: `model` is 3; allowed: one of gcn"),
            ("metamers.steps=3", "--set metamers.steps=3: `metamers.steps` is of the former form"),
            ("runs=[]", "unknown setting `runs`"),
            ("smoke=1", "unknown setting `smoke`"),
            ("seed=[", "--set 'seed=[': not valid YAML"),
            ("report=maybe", "--set report=maybe: `report` is 'maybe'; allowed: true or false"),
        ],
    )
    def test_is_refused_also_where_set_spoils_it(self, read, override, words):
        assert words in error_of(read, "", override)

    def test_is_refused_where_smoke_is_asked_for_and_missing(self, read):
        assert "has no `smoke` block" in error_of(read, "seed: 1", smoke=True)

    def test_is_refused_where_it_cannot_be_read(self, tmp_path):
        with pytest.raises(ConfigError, match=r"cannot read the config .*: No such file"):
            read_config(tmp_path / "missing.yaml")
        (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match=r"cannot read the config"):
            read_config(tmp_path / "binary.yaml")


class TestFindingAConfig:
    PACKAGED = (Path("/lib/configs/cora.yaml"), Path("/lib/configs/quickstart.yaml"))

    def test_takes_a_file_first(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("cora.yaml").write_text("")
        assert find_config("cora.yaml", self.PACKAGED) == Path("cora.yaml")

    @pytest.mark.parametrize("given_name", ["cora", "cora.yaml", "configs/cora.yaml"])
    def test_knows_packaged_configs_by_name(self, tmp_path, monkeypatch, given_name):
        monkeypatch.chdir(tmp_path)
        assert find_config(given_name, self.PACKAGED) == self.PACKAGED[0]
        assert find_config(None, self.PACKAGED) == self.PACKAGED[1]

    def test_refuses_others_with_the_list(self):
        with pytest.raises(ConfigError, match=r"no config `x/cora.yaml` here.*: cora, quickstart"):
            find_config("x/cora.yaml", self.PACKAGED)

    def test_finds_the_configs_of_the_repository(self):
        assert {"cora", "quickstart"} <= {path.stem for path in packaged_configs()}


class TestTheConfigsOfTheRepository:
    @pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=str)
    def test_are_valid_with_and_without_smoke_and_say_how_to_run_them(self, path):
        run = read_config(path)
        assert run.name == path.stem
        sizes = {"mitigations": 96, "recognition": 168, "structure": 6}
        assert len(cells(run)) == sizes.get(path.stem, 4)
        assert sum(c.metamers.count for c in cells(read_config(path, smoke=True))) <= 16
        assert f"python -m jmetamer.sweep configs/{path.name}" in path.read_text().replace(
            "... ", "python -m jmetamer.sweep "
        )

    def test_match_what_was_asked_for(self):
        grid = cells(read_config(REPOSITORY / "configs/quickstart.yaml"))
        assert {(c.model.activation, c.metamers.layer) for c in grid} == set(
            itertools.product(["relu", "elu"], ["conv1", "logits"])
        )
        box = jm.ContinuousFeatures(domain=jm.Box(0.0, 1.0))
        assert all(c.metamers.count == 64 and c.metamers.vary == box for c in grid)
        grid = cells(read_config(REPOSITORY / "configs/cora.yaml"))
        binary = jm.BinaryFeatures(margin_weight=0.1)
        assert {(c.metamers.vary, c.metamers.layer, c.metamers.tolerance) for c in grid} == {
            (jm.ContinuousFeatures(), "conv1", 1e-4),
            (jm.ContinuousFeatures(), "logits", 1e-4),
            (binary, "conv1", 1e-2),
            (binary, "logits", 1e-2),
        }


class TestDefaults:
    def test_of_the_method_follow_from_what_varies(self, read):
        def names(text):
            return read(f"metamers: {{vary: {text}}}")[0].settings["metamers"]["method"]

        assert list(names("continuous_features")) == list(names("edge_weights")) == ["optimize"]
        assert list(names("binary_edges")) == ["relax_edges"]
        joint = "{together: [binary_features, random_edges]}"
        assert list(names(joint)) == ["relax_edges"]

    def test_of_the_tolerance_follow_from_what_varies(self, read):
        def limit(text):
            return read(f"metamers: {{vary: {text}}}")[0].metamers.tolerance

        assert limit("binary_edges") == limit("binary_features") == 1e-2
        assert limit("edge_weights") == 1e-4
        assert limit("{together: [continuous_features, binary_edges]}") == 1e-4
        assert limit("{together: [binary_features, random_edges]}") == 1e-2

    def test_of_the_loss_have_no_dead_zone_unless_gradients_pass_anyway(self, read):
        assert read("")[0].metamers.loss == jm.Complementarity()
        passing = read("metamers: {identity_backward: true}")[0]
        assert passing.metamers.loss == jm.RelativeSquared()

    def test_of_measures_are_all_that_apply(self, read):
        def names(text):
            return {m.name for m in build_measures(read(f"metamers: {{vary: {text}}}")[0])}

        continuous, binary = names("continuous_features"), names("binary_features")
        assert "features/cosine" in continuous & binary
        assert "features/jaccard" in binary - continuous
        edges = names("binary_edges")
        assert {name.split("/")[0] for name in edges | names("edge_weights")} == {"structure"}
        assert names("{together: [binary_features, binary_edges]}") == binary | edges

    def test_of_optimizers_are_written_out(self, read):
        for name in OPTIMIZERS:
            (cell,) = read(f"metamers: {{method: {{optimize: {{optimizer: {name}}}}}}}")
            rate = None if name in WITHOUT_RATE else 0.05
            schedule = "constant" if name in WITHOUT_RATE else "cosine"
            assert cell.metamers.method.optimizer == Optimizer(name, rate, schedule)
            assert cell.metamers.method.optimizer.learning_rate == rate
            assert read(yaml.safe_dump(cell.settings))[0].hash == cell.hash


def test_all_layers_are_those_after_their_nonlinearity(read):
    (cell,) = read("metamers: {layer: all}\nmodel: {gcn: {layers: 3}}")
    assert build_layers(cell, cell.model) == ("conv1", "conv2", "logits")


def test_a_problem_is_what_the_settings_say(read):
    (cell,) = read(
        "dataset: karate\nmodel: {gcn: {hidden: 4}}\ntraining: {epochs: 0}\n"
        "metamers:\n  layer: {together: [conv1, logits]}\n  nodes: [0, 33]\n  lanes: 2\n"
        "  loss: {weighted: {layers: {logits: 4}}}\n"
        "  method: {optimize: {steps: 7, optimizer: {adam: {moments: bfloat16}}, precision: high}}"
    )
    data = cell.dataset.load()
    trained = jm.train(cell.model, data, settings=cell.training.of_network())
    assert trained.settings == jm.TrainSettings(epochs=0)
    problem = build_problem(cell, trained, data)
    assert problem.layers == ("conv1", "logits")
    assert problem.loss == jm.Weighted({"logits": 4.0})
    assert problem.arrays.targets["conv1"].shape == (2, 4)
    method = cell.metamers.method.for_problem(problem)
    assert (method.name, method.steps, method.patience) == ("optimize", 7, 200)
    assert (method.precision, method.optimizer.moments) == ("high", "bfloat16")
    assert (cell.metamers.lanes, cell.metamers.tolerance) == (2, 1e-4)


def test_every_setting_is_described_where_it_is_defined():
    waiting, sections = [Settings], []
    while waiting:
        section = waiting.pop()
        sections.append(section)
        own = [f for base in section.__mro__[1:-1] for f in getattr(base, "__annotations__", ())]
        for field in dataclasses.fields(section):
            if field.name not in own:
                assert field.name in section.__doc__.split("Attributes:")[1]
            value = getattr(section(), field.name)
            if type(value).__module__.startswith("jmetamer.config"):
                waiting.append(type(value))
    assert len(sections) >= 8


def test_cells_can_be_made_without_a_file():
    cell = CellSettings(model=jm.GCN(hidden=8))
    assert cell.settings["model"]["gcn"]["hidden"] == 8
