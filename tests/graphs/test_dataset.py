"""validate_dataset names field and first offending node; content_digest sees every array."""

import dataclasses
import re

import numpy as np
import pytest

from jmetamer._base.errors import InputError
from jmetamer.graphs.built_in import load_karate
from jmetamer.graphs.dataset import content_digest, infer_feature_kind, sealed, validate_dataset
from jmetamer.graphs.graph import Edges, with_nodes

KARATE = load_karate()


def changed(values, index, value):
    copy = values.copy()
    copy[index] = value
    return copy


TRAIN = int(np.flatnonzero(KARATE.train_mask)[0])
VAL = int(np.flatnonzero(KARATE.val_mask)[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": KARATE.labels[:30]}, "`labels` has shape (30,); allowed: (34,)"),
        ({"labels": KARATE.labels.astype(float)}, "`labels` has dtype float64; allowed: integers"),
        (
            {"labels": changed(KARATE.labels, 5, 2)},
            "`labels[5]` is 2, which is no class; allowed: 0 to 1",
        ),
        (
            {"labels": changed(KARATE.labels, 7, -1)},
            "`labels[7]` is -1, which is no class; allowed: 0 to 1",
        ),
        (
            {"oracle_labels": np.full(34, 9)},
            "`oracle_labels[0]` is 9, which is no class; allowed: 0 to 1",
        ),
        ({"train_mask": KARATE.train_mask[:3]}, "`train_mask` has shape (3,) and dtype bool"),
        (
            {"test_mask": KARATE.test_mask.astype(int)},
            "`test_mask` has shape (34,) and dtype int64",
        ),
        (
            {"val_mask": changed(KARATE.val_mask, TRAIN, True)},
            f"`train_mask` and `val_mask` overlap: node {TRAIN} is in both (1 such nodes)",
        ),
        (
            {"test_mask": changed(KARATE.test_mask, TRAIN, True)},
            f"`train_mask` and `test_mask` overlap: node {TRAIN} is in both",
        ),
        (
            {"test_mask": changed(KARATE.test_mask, VAL, True)},
            f"`val_mask` and `test_mask` overlap: node {VAL} is in both",
        ),
        ({"train_mask": np.zeros(34, bool)}, "`train_mask` selects 0 of 34 nodes"),
        ({"feature_kind": "pixels"}, "`feature_kind` is 'pixels'; allowed: 'binary'"),
        ({"feature_range": (0.0, 0.5)}, "`nodes[0, 0]` is 1.0; allowed: 0.0 to 0.5"),
        ({"feature_shape": (5, 7)}, "`feature_shape` (5, 7) holds 35 features; the nodes have 34"),
        (
            {"graph": with_nodes(KARATE.graph, np.full((34, 2), 0.5)), "feature_range": None},
            "`nodes[0, 0]` is 0.5; allowed: 0 or 1 (declared by 'one_hot'",
        ),
        ({"graph": KARATE.graph._replace(n_node=np.array([2]))}, "`n_node` sums to 2"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_field(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        validate_dataset(dataclasses.replace(KARATE, **changes))


def test_the_digest_changes_with_every_array_and_with_nothing_else():
    graph = KARATE.graph
    variants = [
        dataclasses.replace(KARATE, labels=1 - KARATE.labels),
        dataclasses.replace(KARATE, train_mask=changed(KARATE.train_mask, VAL, True)),
        dataclasses.replace(KARATE, val_mask=~KARATE.val_mask),
        dataclasses.replace(KARATE, test_mask=~KARATE.test_mask),
        dataclasses.replace(KARATE, graph=with_nodes(graph, graph.nodes * 2)),
        dataclasses.replace(KARATE, graph=graph._replace(senders=graph.senders[::-1])),
        dataclasses.replace(KARATE, graph=graph._replace(receivers=graph.receivers[::-1])),
        dataclasses.replace(KARATE, graph=graph._replace(edges=Edges(graph.edges.weight * 2))),
        dataclasses.replace(
            KARATE, graph=graph._replace(edges=Edges(graph.edges.weight, np.ones((156, 1))))
        ),
        dataclasses.replace(KARATE, graph=with_nodes(graph, graph.nodes.astype(np.float64))),
    ]
    digests = {content_digest(dataset) for dataset in variants}
    assert len(digests | {content_digest(KARATE)}) == len(variants) + 1
    assert content_digest(dataclasses.replace(KARATE, name="other")) == content_digest(KARATE)


def test_sealed_records_the_content_digest_unless_a_file_digest_is_there():
    assert KARATE.provenance.sha256 == content_digest(KARATE)
    given = dataclasses.replace(KARATE.provenance, sha256="ab")
    assert sealed(dataclasses.replace(KARATE, provenance=given)).provenance.sha256 == "ab"


def test_the_kind_of_features_is_seen_from_their_values():
    assert infer_feature_kind(np.array([[0, 1], [1, 0]])) == "one_hot"
    assert infer_feature_kind(np.array([[0, 1], [0, 0]])) == "binary"
    assert infer_feature_kind(np.array([[0, 0.5], [0, 0]])) == "continuous"
