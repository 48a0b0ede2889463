"""The table of key streams: all keys differ, each stream has one user, and all draws go by it."""

import ast
import functools
import itertools
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import jmetamer
from jmetamer._base.keys import Stream, base_key, host_generator, part_key, stream_key

PACKAGE = Path(jmetamer.__file__).parent
OF_A_RUN = range(Stream.NULL_PAIRS + 1)
PARTS = ("features", "edges", "edge_weights", "edge_features", "positions")
# Files that make keys of their own, and how many.
OTHERS = {
    "geometry/of_problem/whole_graph.py": 2,  # seeds of generators on the host
    "metamers/methods/exact/iterative_steps.py": 1,  # start of a power iteration, always the same
    "sweep/examining.py": 1,  # null test, which folds it with its stream
}


def trees():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())


@jax.jit
def all_keys(base, seed_ids):
    """Words [k, 2] of every key of some seeds, and of what counters make of them."""
    keys = [base_key(base, stream)[None] for stream in Stream]
    keys.extend(
        jax.vmap(functools.partial(draw, base))(seed_ids)
        for draw in (
            *(functools.partial(_stream, stream) for stream in Stream if stream not in OF_A_RUN),
            *(functools.partial(_part, part) for part in PARTS),
        )
    )
    keys = jnp.concatenate(keys)
    counted = jax.vmap(lambda key: jax.vmap(lambda n: jax.random.fold_in(key, n))(jnp.arange(99)))
    return jax.random.key_data(jnp.concatenate([keys, counted(keys[len(Stream) :]).ravel()]))


def _stream(stream, base, seed_id):
    return stream_key(base, seed_id, stream)


def _part(part, base, seed_id):
    return part_key(base, seed_id, part)


@settings(deadline=None, max_examples=20)
@given(base=st.integers(0, 2**31 - 1), first=st.integers(0, 2**31 - 6))
def test_all_keys_of_some_seeds_differ(base, first):
    words = np.asarray(all_keys(base, first + np.arange(5)))
    assert len(np.unique(words, axis=0)) == len(words) > 9000


def test_each_stream_is_used_in_exactly_one_place():
    used = Counter(
        node.attr
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Stream"
    )
    assert used == dict.fromkeys(Stream.__members__, 1)


def test_no_two_streams_have_one_number():
    assert [int(stream) for stream in Stream.__members__.values()] == list(range(len(Stream)))


def test_no_other_file_makes_a_key_of_a_seed():
    makers = {"key", "PRNGKey", "wrap_key_data"}
    made = Counter(
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in makers
        and ast.unparse(node.func.value) in ("jax.random", "random", "jr")
    )
    assert made == {**OTHERS, "_base/keys.py": 1}


def test_generators_on_the_host_differ_as_their_keys_do():
    streams = Stream.COLOR_SWAPS, Stream.CONTROL_FLIPS
    keys = [stream_key(*each) for each in itertools.product((0, 1), (0, 1), streams)]
    draws = [host_generator(key).integers(2**60) for key in keys]
    assert len(np.unique(draws)) == len(keys)
    assert draws[0] == host_generator(keys[0]).integers(2**60)
