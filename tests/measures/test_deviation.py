import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.measures import (
    MEASURES,
    Facts,
    Measure,
    deviation,
    deviations,
    measures_for,
    ready,
)

rng = np.random.default_rng(0)
REFERENCE = rng.normal(size=(5, 3)).astype(np.float32)
METAMERS = rng.normal(size=(7, 5, 3)).astype(np.float32)
BITS = (REFERENCE > 0).astype(np.float32)
BIT_METAMERS = (METAMERS > 0).astype(np.float32)


def test_all_measures_of_a_kind_are_taken_in_the_order_of_the_table():
    result = deviations(REFERENCE, METAMERS, "continuous")
    assert result.names == tuple(m.name for m in measures_for("continuous") if not m.prepare)
    assert result.values.shape == (7, len(result.names))
    assert result.values.dtype == np.float32
    assert len(deviations(BITS, BIT_METAMERS, "binary").names) == len(result.names) + 2
    for column, name in enumerate(result.names):
        measure = MEASURES[name]
        assert result.chance[column] == measure.chance(REFERENCE)
        assert (result.low[column], result.high[column]) == (measure.low, measure.high)
        expected = [float(measure.function(REFERENCE, m)) for m in METAMERS]
        assert np.abs(result.values[:, column] - expected).max() <= 1e-6


@pytest.mark.parametrize("metamers_per_block", [1, 3, 7, 100])
def test_the_size_of_a_block_changes_nothing(metamers_per_block):
    result = deviations(
        REFERENCE, METAMERS, "continuous", block_bytes=metamers_per_block * 4 * REFERENCE.size
    )
    assert np.array_equal(result.values, deviations(REFERENCE, METAMERS, "continuous").values)


@pytest.mark.parametrize("convert", [iter, list, jnp.asarray])
def test_iterables_of_blocks_and_device_arrays_give_the_same(convert):
    if convert is jnp.asarray:
        metamers = jnp.asarray(METAMERS)
    else:
        metamers = convert([METAMERS[:3], METAMERS[3:3], METAMERS[3:4], METAMERS[4:]])
    result = deviations(REFERENCE, metamers, "continuous", block_bytes=2 * 4 * REFERENCE.size)
    assert np.array_equal(result.values, deviations(REFERENCE, METAMERS, "continuous").values)


def test_one_compilation_serves_all_blocks(monkeypatch):
    traces = []

    def counted(reference, metamer):
        traces.append(None)
        return jnp.sum(reference - metamer)

    monkeypatch.setitem(
        MEASURES,
        "features/counted",
        Measure(
            "features/counted", counted, lambda _: 0.0, "", 0, 1, False, ("binary",), "joint", ""
        ),
    )
    blocks = [BIT_METAMERS[:4], BIT_METAMERS[4:5], BIT_METAMERS[5:]]
    result = deviations(BITS, blocks, "binary", ["features/counted"], block_bytes=3 * 60)
    assert np.array_equal(result.values[:, 0], (BITS - BIT_METAMERS).sum((1, 2)))
    assert len(traces) == 1


def test_other_types_of_binary_features_are_read_as_numbers():
    expected = deviations(BITS, BIT_METAMERS, "binary").values
    for dtype in (bool, np.uint8, np.int64, np.float64):
        found = deviations(BITS.astype(dtype), BIT_METAMERS.astype(dtype), "binary").values
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", ["binary", "continuous"])
def test_temporaries_are_a_few_metamers_however_many_a_block_holds(kind):
    shape = (2000, 256)
    facts = Facts(labels=np.arange(2000) % 3, entry_weights=np.eye(256)[:, :16])
    chosen = ready(measures_for(kind), np.zeros(shape), facts)
    pieces = (np.zeros((2, *shape), np.float32) for _ in range(3))
    compiled = deviation._block_values.lower(
        tuple(jax.tree_util.Partial(measure.function) for measure in chosen),
        jnp.zeros(shape),
        jnp.zeros((32, *shape)),
    ).compile()
    one = 4 * shape[0] * shape[1]
    assert compiled.memory_analysis().temp_size_in_bytes <= 12 * one
    assert deviations(np.zeros(shape), pieces, "binary").values.shape == (6, 5)


def test_no_metamers_give_an_empty_table():
    assert deviations(REFERENCE, METAMERS[:0], "continuous").values.shape == (0, 3)
    assert deviations(REFERENCE, [], "continuous").values.shape == (0, 3)
    assert deviations(REFERENCE, METAMERS, "continuous", []).values.shape == (7, 0)


def test_a_metamer_with_nan_costs_its_own_row_only():
    metamers = BIT_METAMERS.copy()
    metamers[2, 0, 0] = np.nan
    values = deviations(BITS, metamers, "binary").values
    assert np.isnan(values[2]).all()
    kept = np.delete(np.arange(7), 2)
    assert np.array_equal(values[kept], deviations(BITS, BIT_METAMERS, "binary").values[kept])


def test_misuse_is_refused_by_name():
    with pytest.raises(
        InputError, match=r"unknown measure 'features/cosin'; did you mean 'features/co"
    ):
        deviations(REFERENCE, METAMERS, "continuous", ["features/cosin"])
    with pytest.raises(InputError, match=r"unknown feature kind 'binry'; did you mean 'binary'\?"):
        deviations(REFERENCE, METAMERS, "binry")
    with pytest.raises(
        InputError, match=r"defined for binary features and one_hot.*vary continuous features"
    ):
        deviations(REFERENCE, METAMERS, "continuous", ["features/jaccard"])
    with pytest.raises(InputError, match=r"shape \(7, 5, 2\); with a reference of shape \(5, 3\)"):
        deviations(REFERENCE, METAMERS[:, :, :2], "continuous")
    with pytest.raises(InputError, match=r"must be \[metamers, 5, 3\]"):
        deviations(REFERENCE, METAMERS[0], "continuous")
    with pytest.raises(InputError, match=r"`reference_features` has shape \(3,\)"):
        deviations(REFERENCE[0], METAMERS, "continuous")
    with pytest.raises(InputError, match="`reference_features` of node 4 are not finite"):
        deviations(np.vstack([REFERENCE[:4], [[np.nan, 0, 0]]]), METAMERS, "continuous")
    with pytest.raises(InputError, match="of node 0 hold values other than 0 and 1"):
        deviations(REFERENCE, BIT_METAMERS, "binary")


@pytest.mark.parametrize("block", [1, 2, 100])
def test_real_valued_metamers_are_no_binary_ones(block):
    metamers = BIT_METAMERS.copy()
    metamers[5, 1, 1] = 0.5
    with pytest.raises(InputError, match=r"of metamer 5 hold values other than 0 and 1.*harden"):
        deviations(BITS, metamers, "binary", block_bytes=block * 60)
    assert np.isfinite(deviations(BITS, metamers, "continuous").values).all()
