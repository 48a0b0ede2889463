"""Constructor options and the errors of wrong ones, by their text."""

import jax
import jax.numpy as jnp
import pytest

from jmetamer._base.errors import InputError
from jmetamer.models import GAT, GCN, GIN, GraphSAGE, TrainSettings


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GCN(activation="rellu"), r"`activation` is 'rellu'; .*; did you mean 'relu'\?"),
        (lambda: GCN(normalization="batchnorm"), r"allowed: 'none' or .*; did you mean 'batch'\?"),
        (lambda: GCN(hidden=0), r"`hidden` is 0; allowed: .*from 1 up"),
        (lambda: GCN(layers=2.0), r"`layers` is 2.0; allowed: .*from 1 up and up to 1000"),
        (lambda: GCN(layers=10**9), r"`layers` is 1000000000; allowed: .*up to 1000"),
        (lambda: GCN(dropout=1.0), r"`dropout` is 1.0; allowed: .*from 0 up and below 1"),
        (lambda: GCN(dropout="0.5"), r"`dropout` is '0.5'; allowed: a number"),
        (lambda: GCN(residual="yes"), r"`residual` is 'yes'; allowed: True or False"),
        (lambda: GCN(num_outputs=0), r"`num_outputs` is 0; allowed: .*from 1 up"),
        (lambda: GAT(hidden=10, heads=4), r"hidden=10 is not a multiple of heads=4"),
        (lambda: GAT(heads=0), r"`heads` is 0; allowed: .*from 1 up"),
        (lambda: GAT(attention_dropout=2), r"`attention_dropout` is 2; allowed: .*below 1 or None"),
        (lambda: GraphSAGE(aggregator="avg"), r"`aggregator` is 'avg'; allowed: 'mean' or 'max'"),
        (lambda: GIN(eps=float("nan")), r"`eps` is nan; allowed: a number"),
        (lambda: GIN(train_eps=1), r"`train_eps` is 1; allowed: True or False"),
        (lambda: TrainSettings(epochs=-1), r"`epochs` is -1; allowed: .*from 0 up"),
        (
            lambda: TrainSettings(optimizer="adm"),
            r"`optimizer` is 'adm'; .*; did you mean 'adam'\?",
        ),
        (
            lambda: TrainSettings(learning_rate=-1.0),
            r"`learning_rate` is -1.0; allowed: .*from 0 up",
        ),
        (lambda: TrainSettings(patience=0), r"`patience` is 0; allowed: .*from 1 up or None"),
    ],
)
def test_wrong_option_is_refused_with_what_is_allowed(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_unset_number_of_outputs_is_refused(graph):
    with pytest.raises(InputError, match="Set it to the number of classes, or call `train`"):
        GCN().init(jax.random.key(0), graph)


def test_unknown_layers_are_refused_with_the_list(graph):
    model = GCN(num_outputs=3)
    params = model.init(jax.random.key(0), graph)
    with pytest.raises(InputError, match=r"unknown layer 'conv9'.*'conv1.pre', 'conv1', 'logits'"):
        model.nonlinearity("conv9")
    with pytest.raises(InputError, match=r"layer with a nonlinearity 'logits'. Allowed: 'conv1'"):
        model.activations(params, graph, identity_backward=("logits",))


def test_entry_of_the_wrong_width_is_refused_with_both_numbers(graph):
    model = GCN(num_outputs=3)
    params = model.init(jax.random.key(0), graph)
    with pytest.raises(InputError, match=r"shape \(7, 5\).* has 64 columns"):
        model.activations(params, graph, entry=jnp.ones((7, 5)))


def test_features_of_the_wrong_width_are_refused_with_both_numbers(graph):
    model = GCN(num_outputs=3)
    params = model.init(jax.random.key(0), graph)
    with pytest.raises(InputError, match=r"shape \(7, 4\).*5 features"):
        model.activations(params, graph._replace(nodes=jnp.ones((7, 4))))


@pytest.mark.parametrize(
    "model",
    [GCN(hidden=5, num_outputs=3, residual=True), GraphSAGE(aggregator="max", num_outputs=3)],
    ids=["identity-skip", "sage-max"],
)
def test_layers_that_read_raw_features_have_no_entry(model, graph):
    params = model.init(jax.random.key(0), graph)
    assert model.first_layer(params) is None
    with pytest.raises(InputError, match="first layer reads the raw features"):
        model.activations(params, graph, entry=jnp.ones((7, 5)))


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        (GCN(hidden=8, num_outputs=3), 8),
        (GCN(hidden=8, num_outputs=3, residual=True), 16),
        (GraphSAGE(hidden=8, num_outputs=3), 16),
        (GAT(hidden=8, heads=4, num_outputs=3), 8),
        (GIN(hidden=8, num_outputs=3), 8),
        (GIN(hidden=8, num_outputs=3, residual=True), 16),
        (GAT(layers=1, output_heads=2, num_outputs=3), 6),
    ],
)
def test_the_first_layer_holds_every_matrix_applied_to_the_features(model, columns, graph):
    params = model.init(jax.random.key(0), graph)
    assert model.first_layer(params).weights.shape == (5, columns)
