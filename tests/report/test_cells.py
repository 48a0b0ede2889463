from jmetamer.report.cells import differing_settings, name_cells

RELU = {
    "dataset": {"name": "digits"},
    "model": {"architecture": "gcn", "activation": "relu", "layers": 2},
    "metamers": {"layer": "conv1", "vary": "binary_features", "domain": None},
}
ELU = RELU | {"model": RELU["model"] | {"activation": "elu"}}


def test_only_what_differs_is_named_as_a_difference():
    assert differing_settings([RELU, ELU]) == ["model.activation"]
    assert differing_settings([RELU]) == []


def test_names_come_from_nested_settings():
    name = name_cells({"a": RELU, "b": ELU})["b"]
    assert (name.dataset, name.model, name.layer) == ("digits", "gcn elu", "conv1")
    assert name.vary == "binary features"


def test_model_depth_is_not_taken_for_the_matched_layer():
    joint = RELU | {"metamers": {"layer": "conv1+logits"}}
    assert name_cells({"a": joint})["a"].layer == "conv1+logits"
    assert name_cells({"a": {"model": {"layers": 2}}})["a"].layer == ""


def test_titles_show_every_difference():
    cells = {str(s): RELU | {"seed": s} for s in (0, 1)}
    titles = [name.title for name in name_cells(cells).values()]
    assert titles[0].endswith("· seed 0")
    assert titles[1].endswith("· seed 1")


def test_an_untrained_network_is_called_so():
    assert name_cells({"a": RELU | {"training": {"epochs": 0}}})["a"].model == "gcn relu untrained"


def test_a_setting_that_does_not_apply_somewhere_is_no_difference():
    cells = {
        "a": {"metamers": {"vary": "x", "slope": None}},
        "b": {"metamers": {"vary": "y", "slope": 1.0}},
    }
    assert differing_settings(list(cells.values())) == ["metamers.vary"]


def test_planted_problems_beside_a_cell_are_no_difference():
    assert differing_settings([{"planted": {"problems": n}} for n in (0, 20)]) == []
