"""Recognition by judges: judges whose answers, and so whose kappas, are known beforehand."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score

from jmetamer._base.errors import InputError
from jmetamer.measures import recognition

NUM_NODES, NUM_CLASSES = 4000, 4
RNG = np.random.default_rng(0)
LABELS = RNG.choice(NUM_CLASSES, NUM_NODES, p=[0.4, 0.3, 0.2, 0.1])


def logits_of(classes):
    return np.eye(NUM_CLASSES)[classes]


def test_a_judge_that_is_not_fooled_has_kappa_1():
    reading = np.where(RNG.random(NUM_NODES) < 0.8, LABELS, 0)
    result = recognition(logits_of(reading), logits_of(reading)[None], LABELS)
    assert result.kappa == result.agreement == 1
    assert result.accuracy == result.reference_accuracy == np.mean(reading == LABELS)


def test_a_judge_that_sees_noise_has_kappa_0():
    # The judge answers by its class frequencies; the standard error of kappa is that of Cohen.
    noise = logits_of(RNG.permuted(np.tile(LABELS, (50, 1)), axis=1))
    result = recognition(logits_of(LABELS), noise, LABELS)
    chance = np.sum((np.bincount(LABELS) / NUM_NODES) ** 2)
    np.testing.assert_allclose(result.chance, chance, atol=1e-12)
    error = np.sqrt(chance / (1 - chance) / NUM_NODES)
    assert (np.abs(result.kappa) < 4 * error).all()
    assert abs(result.kappa.mean()) < 4 * error / np.sqrt(50)


@pytest.mark.parametrize("kept", [0.25, 0.5, 0.9])
def test_kappa_is_the_share_of_nodes_kept_where_the_rest_is_exchanged_at_random(kept):
    # Of the nodes a share is read as before and the others' answers are shuffled: kappa = share.
    mixed = np.tile(LABELS, (40, 1))
    moved = RNG.permutation(NUM_NODES)[: round((1 - kept) * NUM_NODES)]
    mixed[:, moved] = RNG.permuted(mixed[:, moved], axis=1)
    kappa = recognition(logits_of(LABELS), logits_of(mixed), LABELS).kappa
    assert kappa.mean() == pytest.approx(kept, abs=0.01)


def test_equals_scikit_learn_on_the_nodes_that_count():
    reference, metamers = RNG.normal(size=(300, 4)), RNG.normal(size=(3, 300, 4))
    labels, nodes = LABELS[:300].copy(), np.arange(10, 90)
    labels[200] = -1  # no label, and does not count
    mask = np.isin(np.arange(300), nodes)
    by_index, by_mask = (recognition(reference, metamers, labels, each) for each in (nodes, mask))
    for one, other in zip(by_index, by_mask, strict=True):
        np.testing.assert_array_equal(one, other)
    before = reference.argmax(-1)[nodes]
    for place, metamer in enumerate(metamers):
        after = metamer.argmax(-1)[nodes]
        assert by_index.kappa[place] == pytest.approx(cohen_kappa_score(before, after))
        assert by_index.accuracy[place] == accuracy_score(labels[nodes], after)
    assert by_index.reference_accuracy == accuracy_score(labels[nodes], before)


def test_a_judge_of_one_answer_has_no_kappa_and_says_so():
    constant = logits_of(np.zeros(10, int))
    result = recognition(constant, constant[None], np.zeros(10, int))
    assert (result.kappa, result.undefined, result.accuracy) == (0, True, 1)


def test_logits_that_are_not_finite_have_no_accuracy():
    metamers = np.stack([np.eye(4), np.eye(4)])
    metamers[1, 2, 0] = np.nan
    result = recognition(np.eye(4), metamers, [0, 1, 2, 3])
    np.testing.assert_array_equal(result.accuracy, [1, np.nan])
    np.testing.assert_array_equal(result.kappa, [1, np.nan])


def test_misuse_is_refused_by_name():
    with pytest.raises(InputError, match=r"`labels` has shape \(3,\); one class for each of 4"):
        recognition(np.eye(4), np.eye(4)[None], [0, 1, 2])
    with pytest.raises(InputError, match="`labels` hold -1 at a node that counts"):
        recognition(np.eye(4), np.eye(4)[None], [0, 1, 2, -1])
