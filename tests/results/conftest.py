import numpy as np
import pytest

from jmetamer.results import Record, Variable, hash_settings, make_reference


@pytest.fixture
def reference():
    return make_reference(
        nodes=np.eye(5, 11),
        senders=[0, 1],
        receivers=[1, 0],
        weight=[1, 1],
        labels=[0, 1, 0, 1, 0],
        attrs={"name": "tiny", "feature_range": (0, 1)},
    )


@pytest.fixture
def make_record(reference):
    def make(seed=0, count=3, packed=False):
        draw = np.random.default_rng(seed)
        bits = draw.random((count, 5, 11)) < 0.3
        features = draw.normal(size=(count, 5, 11)).astype(np.float32)
        notes = {"packed_bits": 11} if packed else {}
        losses = np.array([1e-5, 2e-5, np.nan][:count], np.float32)
        settings = {"dataset": {"tiny": {}}, "metamers": {"layer": "conv1"}, "seed": seed}
        variables = {
            "seed_id": Variable(("metamer",), np.arange(count)),
            "status": Variable(
                ("metamer",), np.ones(count, np.int8), {"codes": {"1": "CONVERGED"}}
            ),
            "loss_hardened": Variable(("metamer",), losses),
            "layer": Variable(("layer",), np.array(["conv1", "logits"])),
            "layer_match": Variable(("metamer", "layer"), draw.random((count, 2), np.float32)),
            "measure": Variable(("measure",), np.array(["features/cosine"])),
            "deviation": Variable(("metamer", "measure"), np.full((count, 1), 0.5, np.float32)),
            "deviation_start": Variable(
                ("metamer", "measure"), np.full((count, 1), 0.75, np.float32)
            ),
            "deviation_chance": Variable(("measure",), np.array([0.25], np.float32)),
            "features": Variable(
                ("stored", "node", "feature_byte" if packed else "feature"),
                np.packbits(bits, axis=-1) if packed else features,
                notes,
            ),
        }
        record = Record(
            settings=settings,
            settings_hash=hash_settings(settings),
            variables=variables,
            scalars={"test_accuracy": 0.75, "gap": float("nan")},
            status_counts={"CONVERGED": count},
            provenance={"jax": "0.0"},
            reference=reference.digest,
        )
        return record, bits if packed else features

    return make
