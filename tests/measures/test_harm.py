"""The four outcomes of harm, counted node by node in plain Python."""

import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.measures import HARM_OUTCOMES, harm_of, harm_outcomes, unseen_harm

NAMES = {
    (True, True): "kept right",
    (True, False): "harmful",
    (False, True): "repaired",
    (False, False): "still wrong",
}


def counted(labels, metamer_labels, classes, metamer_classes):
    """Outcomes of one metamer by their definition."""
    nodes = zip(labels, metamer_labels, classes, metamer_classes, strict=True)
    return [
        "unknown" if -1 in (y, z, c, d) else NAMES[bool(y == c), bool(z == d)]
        for y, z, c, d in nodes
    ]


def test_outcomes_and_shares_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    labels, classes = rng.integers(-1, 3, size=(2, 40))
    metamer_labels, metamer_classes = rng.integers(-1, 3, size=(2, 7, 40))
    found = harm_outcomes(labels, metamer_labels, classes, metamer_classes)
    for one in range(7):
        names = counted(labels, metamer_labels[one], classes, metamer_classes[one])
        assert [HARM_OUTCOMES[code] for code in found.outcome[one].tolist()] == names
        known = len(names) - names.count("unknown")
        assert 0 < known < 40
        for field in ("harmful", "repaired", "still_wrong", "kept_right"):
            share = names.count(field.replace("_", " ")) / known
            assert getattr(found, field)[one] == pytest.approx(share)
        kept = classes == metamer_classes[one]
        unseen = sum(name == "harmful" and same for name, same in zip(names, kept, strict=True))
        assert found.unseen[one] == pytest.approx(unseen / known)
        np.testing.assert_array_equal(found.same_class[one], kept)
    again = harm_of(found.outcome, found.same_class)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_network_that_follows_the_most_probable_class_does_no_harm_however_that_changes():
    rng = np.random.default_rng(1)
    before, after = rng.integers(3, size=(2, 30))
    found = harm_outcomes(before, after[None], before, after[None])
    assert (found.kept_right[0], found.harmful[0], found.repaired[0]) == (1, 0, 0)
    # What an unchanged network keeps is harm where it was right, and may be a repair where it was
    # not: the two had one name.
    blind = harm_outcomes([0, 0], [[1, 1]], [0, 1], [[0, 1]])
    assert (blind.harmful[0], blind.repaired[0]) == (0.5, 0.5)


def test_a_graph_without_a_known_node_has_no_share():
    found = harm_outcomes([0, 1], [[-1, -1], [1, 1]], [0, 0], [[0, 0], [0, 0]])
    np.testing.assert_array_equal(found.harmful, [np.nan, 0.5])
    assert found.outcome.dtype == np.int8


def test_no_node_and_shapes_that_disagree_are_refused():
    with pytest.raises(InputError, match="at least one"):
        harm_outcomes([], np.zeros((1, 0)), [], np.zeros((1, 0)))
    with pytest.raises(InputError, match=r"labels and classes have the shapes \[\(2,\), \(2,\)"):
        harm_outcomes([0, 1], [0, 1], [0, 0], [[0, 0]])


def test_the_former_name_names_its_successor():
    with pytest.raises(InputError, match="`harm_outcomes`"):
        unseen_harm([0], [[0]], [0], [[0]])
