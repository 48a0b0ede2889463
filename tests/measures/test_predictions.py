import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.measures import (
    agreement_chance,
    class_agreement,
    cohen_kappa,
    prediction_agreement,
)

LOGITS = np.random.default_rng(0).normal(size=(30, 4))
METAMERS = np.random.default_rng(1).normal(size=(5, 30, 4)) + 0.7 * LOGITS


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(2, 6), st.integers(0, 10**6))
def test_kappa_equals_scikit_learn(num_nodes, num_classes, seed):
    reference, metamer = np.random.default_rng(seed).normal(size=(2, num_nodes, num_classes))
    result = prediction_agreement(reference, metamer[None])
    classes = reference.argmax(1), metamer.argmax(1)
    assert result.agreement[0] == pytest.approx(sklearn.metrics.accuracy_score(*classes))
    assert result.undefined[0] == (result.chance[0] == 1)
    if not result.undefined[0]:
        expected = sklearn.metrics.cohen_kappa_score(*classes)
        assert result.kappa[0] == pytest.approx(expected, abs=1e-12)


def test_unchanged_predictions_have_kappa_one():
    result = prediction_agreement(LOGITS, LOGITS[None] * 3)
    assert (result.agreement[0], result.kappa[0]) == (1, 1)


def test_one_class_everywhere_leaves_kappa_undefined():
    result = prediction_agreement(np.tile([1.0, 0], (6, 1)), np.tile([2.0, 1], (1, 6, 1)))
    assert (result.agreement[0], result.chance[0], result.kappa[0]) == (1, 1, 0)
    assert result.undefined[0]
    assert cohen_kappa(1.0, 1.0) == (0.0, True)


def test_chance_is_the_agreement_after_shuffling_within_its_standard_error():
    rng = np.random.default_rng(2)
    left, right = rng.integers(0, 3, 50), np.minimum(rng.integers(0, 4, 50), 2)
    draws = [np.mean(left == rng.permutation(right)) for _ in range(2000)]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws) - agreement_chance(left, right)) <= 4 * error


def test_the_traced_form_agrees_and_maps():
    expected = prediction_agreement(LOGITS, METAMERS).agreement
    mapped = jax.jit(jax.vmap(class_agreement, (None, 0)))(LOGITS, METAMERS)
    assert np.abs(mapped - expected).max() <= 1e-6
    assert 0 < expected.min() < expected.max() < 1


@pytest.mark.parametrize("nodes", [[1, 5, 7], np.isin(np.arange(30), [1, 5, 7])])
def test_only_the_chosen_nodes_count(nodes):
    rows = np.array([1, 5, 7])
    some = prediction_agreement(LOGITS, METAMERS, nodes)
    alone = prediction_agreement(LOGITS[rows], METAMERS[:, rows])
    for left, right in zip(some, alone, strict=True):
        assert np.array_equal(left, right)


def test_logits_that_are_not_finite_have_no_class():
    metamers = METAMERS.copy()
    metamers[1, 3, 2] = np.nan
    result = prediction_agreement(LOGITS, metamers)
    assert np.isnan([result.agreement[1], result.chance[1], result.kappa[1]]).all()
    assert np.isfinite(np.delete(result.kappa, 1)).all()
    assert np.isnan(class_agreement(jnp.asarray(LOGITS), jnp.asarray(metamers[1])))


def test_no_metamers_give_empty_results():
    result = prediction_agreement(LOGITS, METAMERS[:0])
    assert [len(field) for field in result] == [0, 0, 0, 0]
    assert result.undefined.dtype == bool


def test_misuse_is_refused_by_name():
    with pytest.raises(InputError, match=r"`metamer_logits` has shape \(30, 4\)"):
        prediction_agreement(LOGITS, METAMERS[0])
    with pytest.raises(InputError, match="`nodes` selects no node"):
        prediction_agreement(LOGITS, METAMERS, [])
    with pytest.raises(InputError, match="`nodes` selects no node"):
        prediction_agreement(LOGITS, METAMERS, np.zeros(30, bool))
    with pytest.raises(InputError, match=r"`nodes` holds 30; nodes are numbered from 0 to 29"):
        prediction_agreement(LOGITS, METAMERS, [3, 30])
    with pytest.raises(InputError, match=r"mask of shape \(4,\); the graph has 30 nodes"):
        prediction_agreement(LOGITS, METAMERS, np.ones(4, bool))
    with pytest.raises(InputError, match=r"`reference_classes` has shape \(2,\)"):
        agreement_chance([0, 1], [0])
    assert np.isnan(agreement_chance([], []))
