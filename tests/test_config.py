import dataclasses
import itertools
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import jmetamer
from jmetamer import config
from jmetamer._base.errors import ConfigError, InputError
from jmetamer.config import (
    CellSettings,
    build_dataset,
    build_layers,
    build_loss,
    build_measures,
    build_model,
    build_parameterization,
    build_train_settings,
    cells,
    dump_yaml,
    find_config,
    packaged_configs,
    read_config,
    take_shard,
)
from jmetamer.config.checking import check_value, list_depth
from jmetamer.config.settings import (
    EdgeSettings,
    GeometrySettings,
    MetamerSettings,
    ModelSettings,
    Range,
    Settings,
    TrainingSettings,
)
from jmetamer.metamers.losses import Complementarity, RelativeSquared
from jmetamer.metamers.methods.optimize.optimizers import WITHOUT_RATE, Optimizer
from jmetamer.metamers.vary import BinaryFeatures, Box, ContinuousFeatures, Free
from jmetamer.models import GAT, AdversarialPerturbation, RandomPerturbation, TrainSettings

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
        assert (cell.dataset.name, cell.model.architecture, cell.metamers.count) == (
            "digits",
            "gcn",
            64,
        )

    def test_is_the_product_of_all_lists_with_the_last_varying_fastest(self, read):
        found = read("model: {activation: [relu, elu]}\nmetamers: {layer: [conv1, logits]}")
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

    @pytest.mark.parametrize(
        ("section", "name", "values"),
        [
            ("model", "activation", ["relu", "elu"]),
            ("model", "residual", [False, True]),
            ("model", "normalization", ["none", "layer", "batch"]),
            ("model", "hidden", [8, 64]),
            ("model", "layers", [2, 3]),
            ("model", "dropout", [0.0, 0.5]),
            ("training", "weight_decay", [0.0, 5e-4]),
            ("training", "shuffle_labels", [False, True]),
        ],
    )
    def test_crosses_every_lever_of_architecture_and_training_with_seeds(
        self, read, section, name, values
    ):
        text = yaml.safe_dump({section: {name: values}, "seed": [0, 1]})
        found = read(text)
        built = [(build_model(cell), build_train_settings(cell)) for cell in found]
        where = ("model", "training").index(section)
        assert {getattr(both[where], name) for both in built} == set(values)
        assert len({cell.hash for cell in found}) == 2 * len(values)

    def test_spans_options_of_the_dataset(self, read):
        found = read("dataset: {name: sbm, options: {num_nodes: [20, 30], p_in: 0.5}}")
        assert [cell.dataset.options["num_nodes"] for cell in found] == [20, 30]
        assert found[0].dataset.options["num_classes"] == 4  # the loader's default, written out

    def test_keeps_a_point_that_occurs_twice_once(self, read):
        assert len(read("seed: [0, 0, 1]")) == 2
        assert len(read("runs: [{seed: 0}, {seed: [0, 1]}]")) == 2

    def test_of_runs_lays_each_block_over_what_is_shared(self, read):
        text = """
metamers: {layer: [conv1, logits], count: 3}
runs:
  - metamers: {vary: binary_features, slope: 2}
  - metamers: {layer: conv1, count: 5}
"""
        found = read(text)
        assert [(c.metamers.vary, c.metamers.layer, c.metamers.count) for c in found] == [
            ("binary_features", "conv1", 3),
            ("binary_features", "logits", 3),
            ("continuous_features", "conv1", 5),
        ]

    def test_is_changed_by_smoke_and_then_by_set_also_inside_blocks(self, read):
        text = """
metamers: {count: 64, steps: 100}
runs: [{metamers: {count: 32}}]
smoke: {metamers: {count: 2, steps: 3}}
"""
        assert read(text)[0].metamers.count == 32
        smoke = read(text, smoke=True)[0].metamers
        assert (smoke.count, smoke.steps) == (2, 3)
        both = read(text, "metamers.count=7", smoke=True)[0].metamers
        assert (both.count, both.steps) == (7, 3)

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
        one = read("model: {dropout: 0, hidden: 32}\nseed: 1\nmetamers: {tolerance: 1e-3}")[0]
        two = read("metamers: {tolerance: 0.001}\nseed: 1\nmodel: {hidden: 32, dropout: 0.0}")[0]
        assert one.hash == two.hash
        assert one.id == two.id

    def test_does_not_depend_on_whether_a_default_is_written_out(self, read):
        bare = read("metamers: {vary: binary_features}")[0]
        full = read(
            "metamers: {vary: binary_features, ones: global, slope: 1, margin: 0.25, "
            "margin_weight: 0, tolerance: 1e-2, loss: complementarity, seed: 0}\n"
            "training: {epochs: 200, patience: 100, seed: 0}"
        )[0]
        assert bare.hash == full.hash

    def test_does_not_depend_on_lanes_and_folders(self, read):
        assert read("metamers: {lanes: 4}\ndataset: {root: /x}")[0].hash == read("")[0].hash

    def test_depends_on_every_other_setting(self, read):
        changes = {
            "seed": 1, "dataset.name": "karate", "dataset.seed": 1, "model.architecture": "gin",
            "model.hidden": 8, "model.layers": 3, "model.activation": "elu",
            "model.residual": True, "model.normalization": "layer", "model.dropout": 0.1,
            "training.epochs": 0, "training.learning_rate": 1, "training.weight_decay": 0,
            "training.decayed": "all", "training.patience": "never", "training.optimizer": "sgd",
            "training.perturbation": "random", "training.shuffle_labels": True,
            "training.seed": 1, "metamers.vary": "binary_features", "metamers.layer": "logits",
            "metamers.nodes": [1], "metamers.domain": "box", "metamers.initialization": "permuted",
            "metamers.loss": "relative_squared", "metamers.coordinates": "features",
            "metamers.identity_backward": True, "metamers.optimizer": "lbfgs",
            "metamers.repulsion": 0.5,
            "metamers.steps": 9, "metamers.tolerance": 1, "metamers.patience": 3,
            "metamers.improvement": 0, "metamers.count": 1, "metamers.seed": 1,
            "geometry.enabled": False, "geometry.nodes": 1, "geometry.inputs": "all",
            "geometry.layers": "matched", "geometry.maps": False, "geometry.ledger": True,
            "geometry.channel": [1.0, 0.2],
            "measures": ["features/cosine"], "store.metamers": 1,
        }  # fmt: skip
        found = {
            read("", f"{key}={yaml.safe_dump(value)}")[0].hash for key, value in changes.items()
        }
        assert len(found | {read("")[0].hash}) == len(changes) + 1

    def test_names_the_cell_readably(self, read):
        found = read("metamers: {layer: [conv1+logits, conv1.pre], vary: binary_features}")
        assert found[0].id.startswith("digits-gcn-relu-conv1+logits-binary-")
        assert found[0].id.endswith(found[0].hash[:8])
        assert found[1].id.startswith("digits-gcn-relu-conv1.pre-binary-")

    def test_survives_the_resolved_config_that_is_left_in_the_run_folder(self, tmp_path):
        path = tmp_path / "given.yaml"
        text = "runs: [{seed: [0, 1]}, {metamers: {tolerance: 1e-7, nodes: [[1], [2, 3]]}}]"
        for source in [text, "seed: 3\nmeasures: [features/cosine]"]:
            path.write_text(source)
            run = read_config(path, ["model.hidden=[4, 8]"])
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
        cell = read("dataset: {name: cora}\nseed: 7")[0]
        assert (cell.dataset.seed, cell.dataset.split) == (None, None)
        assert read("dataset: {name: roman_empire}")[0].dataset.split == 0


BAD = [
    # text of the config, words that the message must hold
    ("modle: {}", "unknown setting `modle`; did you mean `model`? Allowed at the top: name,"),
    ("model: {hiden: 3}", "unknown setting `model.hiden`; did you mean `model.hidden`? Allowed in"),
    (
        "runs: [{seed: 0}, {metamers: {step: 3}}]",
        "unknown setting `runs[1].metamers.step`; did you",
    ),
    (
        "smoke: {metamers: {cuont: 3}}",
        "`smoke.metamers.cuont`; did you mean `smoke.metamers.count`",
    ),
    ("runs: [{name: x}]", "unknown setting `runs[0].name`"),
    ("runs: {}", "`runs` is {}; allowed: a list of one or more blocks"),
    ("runs: []", "`runs` is []; allowed: a list of one or more blocks"),
    ("model: 3", "`model` is 3, but it is a section: it takes a mapping of architecture, hidden"),
    ("runs: [3]", "`runs[0]` is 3, but it is a section"),
    ("model: {hidden: big}", "`model.hidden` is 'big'; allowed: a whole number from 1 up"),
    (
        "model: {hidden: '64'}",
        "`model.hidden` is '64'; allowed: a whole number from 1 up; write it w",
    ),
    ("model: {hidden: 1.5}", "`model.hidden` is 1.5; allowed: a whole number from 1 up"),
    ("model: {hidden: [64, 0]}", "`model.hidden` is 0; allowed: a whole number from 1 up"),
    ("model: {hidden: true}", "`model.hidden` is True; allowed: a whole number"),
    ("model: {hidden: []}", "`model.hidden` is an empty list, so the grid has no cells"),
    (
        "model: {residual: 'false'}",
        "`model.residual` is 'false'; allowed: true or false; write it w",
    ),
    ("model: {residual: 0}", "`model.residual` is 0; allowed: true or false"),
    ("model: {dropout: 1}", "`model.dropout` is 1; allowed: a number from 0 up and below 1"),
    ("model: {dropout: .nan}", "`model.dropout` is nan; allowed: a number"),
    ("metamers: {tolerance: 0}", "`metamers.tolerance` is 0; allowed: a number above 0 or null"),
    (
        "metamers: {vary: binary}",
        "is 'binary'; allowed: 'continuous_features' or 'binary_features' or 'edges' or",
    ),
    ("metamers: {nodes: 3}", "`metamers.nodes` is 3; allowed: a list of one or more (a whole"),
    ("metamers: {nodes: [[]]}", "`metamers.nodes` is []; allowed: a list of one or more"),
    ("metamers: {bounds: [1]}", "`metamers.bounds` is [1]; allowed: a list of 2 (a number)"),
    (
        "store: {metamers: al}",
        "`store.metamers` is 'al'; allowed: a whole number from 0 up or 'all'; d",
    ),
    ("report: 'no'", "`report` is 'no'; allowed: true or false; write it without quotes"),
    ("name: a/b", "`name` is 'a/b'; allowed: text of up to 100 letters, digits"),
    ("name: ..", "`name` is '..'; allowed"),
    ("seed: -1", "`seed` is -1; allowed: a whole number from 0 up"),
    (
        "dataset: {name: core}",
        "unknown `dataset.name` 'core'; did you mean 'cora'? Allowed: 'digits'",
    ),
    ("dataset: {name: a/b.npz}", "A .npz file is allowed too, but there is none of this name"),
    ("dataset: {name: cora, seed: 1}", "`dataset.seed` is 1, but the dataset 'cora' has no seed"),
    ("dataset: {split: 1}", "`dataset.split` is 1, but the dataset 'digits' has no split"),
    (
        "dataset: {options: {neighbours: 3}}",
        "`dataset.options.neighbours`; did you mean `dataset.opt",
    ),
    (
        "dataset: {options: {neighbors: few}}",
        "`dataset.options.neighbors` is 'few'; allowed: a whole",
    ),
    ("dataset: {options: 3}", "`dataset.options` is 3; allowed: a mapping of options"),
    ("dataset: {name: cora, options: {x: 3}}", "unknown setting `dataset.options.x`. Allowed in"),
    (
        "model: {architecture: sage}",
        "unknown `model.architecture` 'sage'; did you mean 'graphsage'?",
    ),
    (
        "model: {activation: rleu}",
        "unknown `model.activation` 'rleu'; did you mean 'relu'? Allowed:",
    ),
    (
        "model: {normalization: lyer}",
        "in `model`: unknown `normalization` 'lyer'; did you mean 'lay",
    ),
    (
        "model: {heads: 4}",
        "`model.heads` is 4, but the architecture 'gcn' has no heads; remove it, or",
    ),
    (
        "model: {architecture: gat, heads: 5}",
        "in `model`: `hidden` is shared equally among the heads",
    ),
    ("training: {optimizer: adm}", "in `training`: unknown `optimizer` 'adm'; did you mean 'adam'"),
    (
        "training: {patience: nver}",
        "`training.patience` is 'nver'; allowed: a whole number from 1 up",
    ),
    (
        "training: {perturbation: adverse}",
        "`training.perturbation` is 'adverse'; allowed: 'none' or 'adversarial' or 'random'",
    ),
    (
        "training: {perturbation: [none, adversarial], perturbation_size: 0.2}",
        "`training.perturbation_size` is 0.2, but `training.perturbation` is 'none', which has "
        "none; remove it, or give each its own block under `runs`",
    ),
    (
        "training: {perturbation: random, perturbation_steps: 3}",
        "`training.perturbation_steps` is 3, but `training.perturbation` is 'random', which has",
    ),
    (
        "training: {perturbation: random, perturbation_size: 0}",
        "`training.perturbation_size` is 0; allowed: a number above 0 or null",
    ),
    ("training: {shuffle_labels: yes please}", "is 'yes please'; allowed: true or false or null"),
    (
        "metamers: {layer: conv3}",
        "in `metamers.layer`: unknown layer 'conv3'; did you mean 'conv1'?",
    ),
    (
        "metamers: {layer: conv1+conv1}",
        "in `metamers.layer`: `layer` is 'conv1+conv1', which names",
    ),
    (
        "metamers: {slope: 2}",
        "`metamers.slope` is 2.0, but `metamers.vary` is 'continuous_features'",
    ),
    (
        "metamers: {vary: binary_features, domain: box}",
        "'binary_features', which has no domain; rem",
    ),
    ("metamers: {domain: bx}", "unknown `metamers.domain` 'bx'; did you mean 'box'?"),
    (
        "metamers: {bounds: [0, 1]}",
        "`metamers.domain` is 'free' and only the domain 'box' has bounds",
    ),
    (
        "metamers: {domain: box, bounds: [1, 0]}",
        "is [1.0, 0.0]; allowed: [low, high] with low below",
    ),
    (
        "metamers: {loss: complementary}",
        "unknown `metamers.loss` 'complementary'; did you mean 'com",
    ),
    (
        "metamers: {coordinates: row}",
        "unknown `metamers.coordinates` 'row'; did you mean 'row_space'",
    ),
    (
        "metamers: {initialization: globl}",
        "unknown `metamers.initialization` 'globl'; did you mean",
    ),
    ("metamers: {optimizer: adm}", "unknown `metamers.optimizer` 'adm'; did you mean 'adam'"),
    (
        "metamers: {optimizer: adam, schedule: cos}",
        "unknown `metamers.schedule` 'cos'; did you mean",
    ),
    (
        "metamers: {learning_rate: 1}",
        "`metamers.optimizer` is null, which chooses its own: it would",
    ),
    (
        "metamers: {precision: hihg}",
        "unknown `metamers.precision` 'hihg'; did you mean",
    ),
    (
        "metamers: {method: walks}",
        "unknown `metamers.method` 'walks'; did you mean 'walk'",
    ),
    (
        "metamers: {method: walk, vary: binary_features}",
        "`metamers.method` is 'walk', which needs `metamers.vary` continuous_features",
    ),
    (
        "metamers: {method: replace, domain: box}",
        "`metamers.method` is 'replace', which needs `metamers.vary` continuous_features",
    ),
    (
        "metamers: {method: walk, optimizer: adam}",
        "`metamers.method` is 'walk', but `metamers.optimizer` is 'adam': it would be ignored",
    ),
    (
        "metamers: {method: reflect, count: 2}",
        "`metamers.method` is 'reflect', which gives every seed the same metamer",
    ),
    (
        "metamers: {optimizer: adam, moments: float16}",
        "unknown `metamers.moments` 'float16'; did you mean",
    ),
    (
        "metamers: {optimizer: sgd, moments: bfloat16}",
        "`metamers.moments` is 'bfloat16', but `metamers.optimizer` is sgd: it would be ignored; "
        "name one of adam, amsgrad, nadam, lion, momentum, nesterov",
    ),
    (
        "metamers: {moments: bfloat16}",
        "but `metamers.optimizer` is null, which chooses its own",
    ),
    (
        "metamers: {optimizer: lbfgs, schedule: cosine}",
        "`metamers.optimizer` is 'lbfgs': it would be",
    ),
    (
        "metamers: {layer: logits, identity_backward: true}",
        "the layer 'logits' has no nonlinearity",
    ),
    (
        "metamers: {identity_backward: true, loss: complementarity}",
        "write `loss: relative_squared`",
    ),
    ("geometry: {nodes: null}", "`geometry.nodes` is null, but `geometry.enabled` is true"),
    (
        "geometry: {inputs: balls}",
        "is 'balls'; allowed: 'node' or 'ball' or 'all' or null; did you",
    ),
    (
        "geometry: {layers: [conv3]}",
        "unknown layer in `geometry.layers` 'conv3'; did you mean 'conv1'?",
    ),
    ("geometry: {layers: most}", "is 'most'; allowed: 'matched' or 'all' or a list of one or more"),
    ("geometry: {maps: 1}", "`geometry.maps` is 1; allowed: true or false or 'auto' or null"),
    ("geometry: {ledger: -1}", "allowed: true or false or a whole number from 0 up"),
    ("geometry: {ledger: null}", "`geometry.ledger` is null, but `geometry.enabled` is true"),
    ("geometry: {channel: [1, 0]}", "is [1, 0]; allowed: a list of 2 (a number above 0) or null"),
    ("measures: [features/cosin]", "in `measures`: unknown measure 'features/cosin'; did you mean"),
    (
        "measures: [features/jaccard]",
        "in `measures`: `names` asks for 'features/jaccard', which is",
    ),
    ("measures: some", "`measures` is 'some'; allowed: a list of one or more (text) or 'all'"),
    ("seed: 1\nseed: 2", "line 2: the key 'seed' is given twice, first on line 1"),
    ("1: 2", "line 1: the key 1 is not text"),
    ("- 1", "holds [1], but it must be a mapping of settings"),
    ("a: [", "not valid YAML"),
]


class TestAConfigThatCannotBeUsed:
    @pytest.mark.parametrize(("text", "words"), BAD, ids=[text for text, _ in BAD])
    def test_is_refused_with_the_path_the_value_and_what_is_allowed(self, read, text, words):
        assert words in error_of(read, text)

    @pytest.mark.parametrize(
        ("override", "words"),
        [
            ("model.hidden", "--set got 'model.hidden', but it takes key=value"),
            ("=3", "--set got '=3', but it takes key=value"),
            ("model..hidden=3", "but it takes key=value with a dotted key"),
            ("model.hiden=3", "--set model.hiden=3: unknown setting `model.hiden`; did you mean"),
            (
                "model.hidden=x",
                "--set model.hidden=x: `model.hidden` is 'x'; allowed: a whole number",
            ),
            ("model=3", "--set model=3: `model` is 3, but it is a section"),
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
        assert all(c.metamers.count == 64 and c.metamers.domain == "box" for c in grid)
        grid = cells(read_config(REPOSITORY / "configs/cora.yaml"))
        assert {(c.metamers.vary, c.metamers.layer, c.metamers.tolerance) for c in grid} == {
            ("continuous_features", "conv1", 1e-4),
            ("continuous_features", "logits", 1e-4),
            ("binary_features", "conv1", 1e-2),
            ("binary_features", "logits", 1e-2),
        }


class TestBuilders:
    def test_make_the_model_that_was_asked_for(self, read):
        (cell,) = read(
            "model: {architecture: gat, hidden: 12, heads: 3, layers: 3, activation: elu}"
        )
        assert build_model(cell) == GAT(hidden=12, heads=3, layers=3, activation="elu")

    def test_make_the_training_that_was_asked_for(self, read):
        (cell,) = read("training: {epochs: 0, patience: never, optimizer: sgd}")
        assert build_train_settings(cell) == TrainSettings(epochs=0, patience=None, optimizer="sgd")

    def test_write_out_the_defaults_of_each_perturbation(self, read):
        found = read("training: {perturbation: [none, adversarial, random]}")
        asked = [build_train_settings(cell) for cell in found]
        kinds = (None, AdversarialPerturbation(), RandomPerturbation())
        assert asked == [TrainSettings(perturbation=kind) for kind in kinds]
        sizes = [(c.training.perturbation_size, c.training.perturbation_steps) for c in found]
        assert sizes == [(None, None), (0.1, 5), (0.1, None)]
        written = "training: {perturbation: adversarial, perturbation_size: 0.1}"
        assert read(written)[0].hash == found[1].hash

    def test_find_all_layers_after_their_nonlinearity(self, read):
        (cell,) = read("metamers: {layer: all}\nmodel: {layers: 3}")
        assert build_layers(cell, build_model(cell)) == ("conv1", "conv2", "logits")

    def test_make_the_parameterization_that_was_asked_for(self, read):
        data = build_dataset(read("")[0])
        box = ContinuousFeatures(domain=Box(*data.feature_range))
        assert build_parameterization(read("metamers: {domain: box}")[0], data) == box
        given_box = read("metamers: {domain: box, bounds: [-1, 2]}")[0]
        assert build_parameterization(given_box, data) == ContinuousFeatures(domain=Box(-1.0, 2.0))
        assert build_parameterization(read("")[0], data) == ContinuousFeatures(domain=Free())
        karate = build_dataset(read("dataset: {name: karate}")[0])
        binary = read("metamers: {vary: binary_features, ones: row, slope: 3}")[0]
        assert build_parameterization(binary, karate) == BinaryFeatures(ones="row", slope=3.0)

    def test_refuse_what_does_not_fit_the_dataset(self, read):
        data = build_dataset(read("")[0])
        with pytest.raises(ConfigError, match=r"features of the dataset 'digits' are continuous"):
            build_parameterization(read("metamers: {vary: binary_features}")[0], data)
        boundless = dataclasses.replace(data, feature_range=None)
        with pytest.raises(ConfigError, match=r"has no range of features; give `metamers.bounds"):
            build_parameterization(read("metamers: {domain: box}")[0], boundless)

    def test_choose_the_loss_without_a_dead_zone_unless_gradients_pass_anyway(self, read):
        assert build_loss(read("")[0]) == Complementarity()
        assert build_loss(read("metamers: {identity_backward: true}")[0]) == RelativeSquared()

    def test_take_all_measures_that_apply(self, read):
        continuous = {m.name for m in build_measures(read("")[0])}
        binary = {m.name for m in build_measures(read("metamers: {vary: binary_features}")[0])}
        assert "features/cosine" in continuous & binary
        assert "features/jaccard" in binary - continuous

    @pytest.mark.parametrize("name", WITHOUT_RATE)
    def test_leave_learning_rate_and_schedule_out_where_there_are_none(self, read, name):
        given_settings = read(f"metamers: {{optimizer: {name}}}")[0].metamers
        Optimizer(name, given_settings.learning_rate, given_settings.schedule or "constant")
        assert given_settings.learning_rate is given_settings.schedule is None

    def test_hand_moments_and_precision_on(self, read):
        (cell,) = read(
            "dataset: {name: karate}\ntraining: {epochs: 0}\n"
            "metamers: {optimizer: adam, moments: bfloat16, precision: high}"
        )
        data = build_dataset(cell)
        trained = jmetamer.train(build_model(cell), data, settings=build_train_settings(cell))
        method = config.build_method(cell, config.build_problem(cell, trained, data))
        assert method.optimizer == Optimizer("adam", 0.05, "cosine", "bfloat16")
        assert method.precision == "high"
        plain = [read(f"metamers: {{optimizer: {name}}}")[0].metamers for name in ("adam", "sgd")]
        assert [given.moments for given in plain] == ["float32", None]

    def test_load_the_dataset_with_its_options_and_seed(self, read):
        (cell,) = read("dataset: {name: sbm, seed: 3, options: {num_nodes: 24}}")
        assert build_dataset(cell).graph.nodes.shape[0] == 24

    def test_make_the_method_and_the_problem(self, read):
        (cell,) = read(
            "dataset: {name: karate}\nmodel: {hidden: 4}\ntraining: {epochs: 0}\n"
            "metamers: {layer: conv1+logits, nodes: [0, 33], steps: 7, lanes: 2, optimizer: sgd}"
        )
        data = build_dataset(cell)
        trained = jmetamer.train(build_model(cell), data, settings=build_train_settings(cell))
        problem = config.build_problem(cell, trained, data)
        assert problem.layers == ("conv1", "logits")
        assert problem.arrays.targets["conv1"].shape == (2, 4)
        method = config.build_method(cell, problem)
        assert (method.name, method.steps, method.patience) == ("optimize", 7, 200)
        assert (cell.metamers.lanes, cell.metamers.tolerance) == (2, 1e-4)
        assert method.optimizer == Optimizer("sgd", 0.05, "cosine")
        assert method.optimizer.learning_rate == 0.05


def test_every_setting_is_described_where_it_is_defined():
    sections = (
        Settings, MetamerSettings, EdgeSettings, ModelSettings, TrainingSettings, GeometrySettings
    )  # fmt: skip
    for section in sections:
        for field in dataclasses.fields(section):
            assert field.name in section.__doc__.split("Attributes:")[1]


@given(low=st.integers(-5, 5), high=st.integers(-5, 5), value=st.integers(-6, 6))
def test_a_range_admits_exactly_what_lies_inside(low, high, value):
    from typing import Annotated

    hint = Annotated[int, Range(low, high, open_high=True)]
    if low <= value < high:
        check_value(value, hint, "x")
    else:
        with pytest.raises(ConfigError, match=f"`x` is {value}; allowed"):
            check_value(value, hint, "x")


def test_cells_can_be_made_without_a_file():
    assert CellSettings(model=ModelSettings(hidden=8)).settings["model"]["hidden"] == 8
    assert list_depth(tuple[int, ...]) == 1
