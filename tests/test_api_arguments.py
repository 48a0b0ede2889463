"""Arguments that public functions do not take, and numbers of other libraries."""

import importlib.util
import pathlib
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer import measures, results
from jmetamer._base.arguments import checked
from jmetamer._base.errors import ConfigError, InputError
from jmetamer._base.kinds import Key, Matrix, NumberOrNaN
from jmetamer._base.ranges import Count, Range, Share
from jmetamer.config import cells, read_config

if TYPE_CHECKING:
    from somewhere import Unknown

SCRIPT = pathlib.Path(__file__).parents[1] / "experiments" / "reliability" / "api_arguments.py"


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("api_arguments", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    values = script.world(tmp_path_factory.mktemp("calls"))
    return script, values, script.cases(values)


def test_every_public_callable_refuses_what_means_nothing_and_names_the_argument(calls):
    script, _, made = calls
    faults = [
        script.problem_with(case, argument, value, must_fail=True)
        for case, argument, value in script.wrong_calls(made)
    ]
    assert len(faults) > 2000
    assert not list(filter(None, faults))


def test_no_public_callable_is_left_out(calls):
    script, _, made = calls
    named = {case.name for case in made}
    left = {name for name, _, _ in script.public_callables()} - named
    assert left <= {"FoldedProblem.lift", "FoldedProblem.lift_flips"}  # a slow problem to make
    assert len(named) > 250


class Shape(Protocol):
    """Anything with an area."""

    def area(self) -> float:
        """Return the area."""
        ...


class Square:
    """A shape."""

    def area(self):
        return 1.0


@checked
def many(
    count: Count = 1,
    flag: bool = False,
    share: Share | None = None,
    names: Sequence[str] = (),
    pair: tuple[int, float] | None = None,
    table: Mapping[str, int] | None = None,
    word: Literal["up", "down"] = "up",
    shape: Shape | None = None,
    call: Callable[[int], int] = abs,
    matrix: Matrix | None = None,
    key: Key | None = None,
    ids: Iterable[int] = (),
    odd: Annotated[float, Range(0, 1)] | Literal["none"] = "none",
    score: NumberOrNaN = 0.0,
    path: "pathlib.Path | None" = None,
    later: "Unknown | None" = None,
) -> dict[str, Any]:
    """Return what came."""
    return locals()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 0), ("count", True), ("count", 1.0), ("count", "1"), ("count", None),
        ("count", np.nan), ("count", np.array([1])), ("count", 10**400), ("count", np.bool_(True)),
        ("flag", 1), ("flag", "yes"), ("flag", None), ("share", 1.1), ("share", np.nan),
        ("share", float("inf")), ("share", np.float32(2)), ("names", "abc"), ("names", [1]),
        ("names", None), ("names", {"a"}), ("pair", (1,)), ("pair", (1.5, 1.0)), ("pair", 3),
        ("table", {"a": "b"}), ("table", {1: 1}), ("table", [1]), ("word", "left"), ("word", 1),
        ("shape", Square), ("shape", "square"), ("call", 3), ("matrix", [1.0, 2.0]),
        ("matrix", [["a"]]), ("matrix", [[1], [1, 2]]), ("matrix", "text"), ("key", 3),
        ("key", np.zeros(3)), ("ids", 3), ("ids", "12"), ("ids", [0.5]), ("odd", 2.0),
        ("odd", "some"), ("score", "1"), ("path", "text"),
    ],
)  # fmt: skip
def test_what_an_annotation_does_not_allow_is_refused(name, value):
    with pytest.raises(InputError, match=f"^`{name}` is "):
        many(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("count", np.int64(3), 3), ("count", jnp.int32(3), 3), ("count", np.array(3), 3),
        ("flag", np.bool_(True), True), ("share", np.float32(0.5), 0.5), ("share", 1, 1),
        ("share", jnp.float32(0.5), 0.5), ("names", ("a", "b"), ("a", "b")),
        ("pair", [np.int8(1), jnp.float32(2)], (1, 2.0)), ("table", {"a": np.int64(1)}, {"a": 1}),
        ("ids", [np.int64(4)], [4]), ("odd", "none", "none"), ("score", np.nan, np.nan),
        ("later", object, object), ("word", "down", "down"), ("call", abs, abs),
    ],
)  # fmt: skip
def test_numbers_of_other_libraries_become_python_s(name, value, taken):
    found = many(**{name: value})[name]
    assert found is taken or found == taken
    assert type(found) is type(taken)


def test_arrays_keys_and_objects_pass_as_they_are():
    shape, key, array = Square(), jax.random.key(0), jnp.eye(2)
    found = many(shape=shape, key=key, matrix=array)
    assert found["shape"] is shape
    assert found["key"] is key
    assert found["matrix"] is array
    assert isinstance(many(matrix=[[1, 2]])["matrix"], np.ndarray)


def test_values_of_an_iterator_are_held_as_they_come():
    kept = many(ids=iter([np.int64(1), "x"]))["ids"]
    assert next(kept) == 1
    with pytest.raises(InputError, match="'x'"):
        next(kept)


def test_traced_values_pass():
    @checked
    def scaled(factor: float, vector: Matrix, count: Count) -> jax.Array:
        return factor * vector * count

    found = jax.jit(jax.vmap(scaled, (0, None, None)))(jnp.ones(2), jnp.eye(2), 3)
    assert found.shape == (2, 2, 2)


def test_the_signature_stays():
    assert many.__doc__ == "Return what came."
    assert many.__name__ == "many"


def test_values_of_iterators_and_small_arrays_are_named_and_shown():
    @checked
    def listed(ids: Iterable[Count]) -> list[int]:
        return list(ids)

    assert listed(iter([1, np.int64(2)])) == [1, 2]
    with pytest.raises(InputError, match=r"`ids` is -2; allowed: a whole number from 1 up"):
        listed(i for i in (1, -2))
    with pytest.raises(InputError, match=r"`ids` is \[1, -2\] \(int64\)"):
        listed(np.array([1, -2]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: many(nothing=1), "unexpected keyword argument 'nothing'"),
        (lambda: jm.ego_graph(), "`ego_graph`: missing a required argument: 'graph'"),
        (lambda: jm.generate(), "`generate`: missing a required argument: 'problem'"),
        (lambda: jm.TrainSettings(epoch=3), "'epoch'; did you mean `epochs`?"),
        (lambda: jm.Box(0, 1, 2), "`Box`: too many positional arguments"),
    ],
)
def test_calls_that_lack_arguments_or_have_unknown_ones_are_refused(call, words):
    with pytest.raises(jm.InputError, match=re.escape(words)):
        call()


@pytest.fixture(scope="module")
def trained():
    data = jm.load_dataset("karate")
    return jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0)), data


@pytest.mark.parametrize(
    ("call", "names", "advice"),
    [
        (lambda t, d: jm.train(jm.GCN, d), "model", r"`GCN\(...\)`"),
        (lambda t, d: jm.Problem(t.model), "trained", "TrainedModel|model, params"),
        (lambda t, d: jm.Problem(t, d, layer="conv1"), "graph", "pass its `graph`"),
        (lambda t, d: jm.Box("0", 1), "low", "without quotes"),
        (lambda t, d: jm.Problem(t, d.graph, layer=None), "layer", "None"),
        (lambda t, d: jm.Problem(t, d.graph, "conv1", vary="auto"), "vary", "'auto'"),
        (lambda t, d: jm.Problem(t, d.graph, "conv1", vary=jm.BinaryEdges), "vary", "BinaryEdges"),
        (lambda t, d: jm.generate(jm.Problem(t, d.graph, "conv1"), seeds=3), "seeds", "3"),
        (lambda t, d: jm.load_dataset("karate", seed=-1), "seed", "-1"),
        (lambda t, d: jm.load_dataset("digits", neighbors=-3), "neighbors", "-3"),
        (lambda t, d: jm.load_dataset("csbm", p_in=2), "p_in", "2"),
        (lambda t, d: jm.Optimizer("adam", "0.1"), "learning_rate", "without quotes"),
        (lambda t, d: jm.GCN(layers=10**9), "layers", "1000000000.*1000"),
        (lambda t, d: jm.BinaryEdges(start="reference", distance=0), "distance", "above 0"),
        (lambda t, d: jm.BinaryEdges(start="rewird"), "start", "did you mean 'rewired'"),
    ],
)
def test_calls_that_people_get_wrong(trained, call, names, advice):
    with pytest.raises(InputError, match=f"^`{names}` is ") as error:
        call(*trained)
    assert re.search(advice, str(error.value))


def test_numbers_of_numpy_and_jax_are_numbers_everywhere(trained, tmp_path):
    _, data = trained
    settings = jm.TrainSettings(epochs=np.int64(1), learning_rate=jnp.float32(0.01))
    model = jm.GCN(hidden=np.int64(4), layers=jnp.int32(2))
    first = jm.train(model, data, np.int64(3), settings, cache=tmp_path)
    again = jm.train(jm.GCN(hidden=4), data, jnp.int32(3), settings, cache=tmp_path)
    assert first.seed == again.seed == 3
    assert type(again.seed) is int
    assert len(list(tmp_path.iterdir())) == 1
    problem = jm.Problem(first, data.graph, "conv1", nodes=np.array([0, 5]))
    found = jm.generate(problem, np.int32(1), seed=jnp.int32(2), tolerance=np.float64(0.1))
    assert found.base_seed == 2


def test_a_metamer_of_another_problem_is_refused(trained):
    first, data = trained
    problem = jm.Problem(first, data.graph, "conv1")
    found = jm.generate(problem, 1, tolerance=0.1)
    same = jm.Problem(first, data.graph, "conv1")
    assert jm.metamer_graph(same, found, 0).nodes.shape == (34, 34)
    smaller, _ = jm.ego_graph(data.graph, 0, 1)
    params = jax.tree.map(lambda leaf: leaf + 1, first.params)
    other = types.SimpleNamespace(model=first.model, params=params)
    for another in (
        jm.Problem(first, smaller, "conv1"),
        jm.Problem(first, data.graph, "logits"),
        jm.Problem(first, data.graph, "conv1", nodes=[0]),
        jm.Problem(first, data.graph, "conv1", jm.ContinuousFeatures(jm.Box())),
        jm.Problem(other, data.graph, "conv1"),
        jm.Problem(first, data.graph, "conv1", jm.BinaryEdges()),
    ):
        with pytest.raises(InputError, match="another problem"):
            jm.metamer_graph(another, found, 0)


def test_a_graph_of_another_part_is_not_lifted(trained):
    first, data = trained
    near = jm.local_problem(jm.Problem(first, data.graph, "conv1", nodes=[16]))
    for graph in (data.graph, jm.ego_graph(data.graph, 0, 0)[0]):
        with pytest.raises(InputError, match="`graph` has nodes of shape"):
            near.lift(graph)
        with pytest.raises(InputError, match="`graph` has nodes of shape"):
            near.is_exact(graph)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("dataset: {digits: {neighbors: -3}}", "dataset.digits.neighbors"),
        ("dataset: {csbm: {p_in: 1.5}}", "dataset.csbm.p_in"),
        ("dataset: {dcsbm: {num_features: 0}}", "dataset.dcsbm.num_features"),
        ("dataset: {karate: {train_per_class: 0}}", "dataset.karate.train_per_cla"),
        ("model: {gcn: {layers: 1000000000}}", "model.gcn.layers"),
    ],
)
def test_options_of_datasets_and_layers_have_ranges_in_a_configuration(tmp_path, text, path):
    file = tmp_path / "run.yaml"
    file.write_text(text + "\n")
    with pytest.raises(ConfigError, match=re.escape(path)):
        list(cells(read_config(file)))


LIMITS = {"tolerance": 1.0, "worst_node_tolerance": 1.0}


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: measures.effective_number(0.5), "distances"),
        (lambda: measures.harm.harm_of(3, [0]), "outcome"),
        (
            lambda: measures.success_bits(0.1, [0.1], [1.0], tolerance=1, worst_node_tolerance=1),
            "squared_error",
        ),
        (lambda: results.make_reference(1.0, [0], [0], [1], [0], {}), "nodes"),
        (lambda: results.make_reference(np.eye(1), 0, [0], [1], [0], {}), "senders"),
    ],
)
def test_single_numbers_are_no_arrays(call, name):
    with pytest.raises(InputError, match=f"`{name}` "):
        call()


@pytest.mark.parametrize("values", [np.array(["a"]), np.array(["2"]), np.array([None])])
def test_arrays_of_no_numbers_are_no_lists_of_numbers(values):
    @checked
    def largest(numbers: Sequence[float]) -> float:
        return max(numbers)

    with pytest.raises(InputError, match="`numbers` "):
        largest(values)
    assert largest(np.array([1.0, 2.0])) == 2


def test_a_class_is_no_function():
    @checked
    def called(function: Callable[[int], int]) -> int:
        return function(1)

    with pytest.raises(InputError, match="`function` "):
        called(int)
    assert called(abs) == 1
