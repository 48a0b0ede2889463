from jmetamer.report.cells import differing_settings, name_cells
from jmetamer.results.setting_tree import flatten

RELU = {
    "dataset": {"digits": {}},
    "model": {"gcn": {"activation": "relu", "layers": 2}},
    "metamers": {"layer": "conv1", "vary": {"binary_features": {"slope": 1.0}}},
}
ELU = RELU | {"model": {"gcn": {"activation": "elu", "layers": 2}}}


def differing(*all_settings):
    return differing_settings([dict(flatten(one)) for one in all_settings])


def test_only_what_differs_is_named_as_a_difference():
    assert differing(RELU, ELU) == ["model.activation"]
    assert differing(RELU) == []


def test_names_come_from_nested_settings():
    name = name_cells({"a": RELU, "b": ELU})["b"]
    assert (name.dataset, name.model, name.layer) == ("digits", "gcn elu", "conv1")
    assert name.vary == "binary features"


def test_model_depth_is_not_taken_for_the_matched_layer():
    joint = RELU | {"metamers": {"layer": {"together": ["conv1", "logits"]}}}
    assert name_cells({"a": joint})["a"].layer == "conv1+logits"
    assert name_cells({"a": {"model": {"gcn": {"layers": 2}}}})["a"].layer == ""


def test_titles_show_every_difference():
    cells = {str(s): RELU | {"seed": s} for s in (0, 1)}
    titles = [name.title for name in name_cells(cells).values()]
    assert titles[0].endswith("· seed 0")
    assert titles[1].endswith("· seed 1")


def test_an_untrained_network_is_called_so():
    assert name_cells({"a": RELU | {"training": {"epochs": 0}}})["a"].model == "gcn relu untrained"


def test_a_setting_that_does_not_apply_somewhere_is_no_difference():
    other = RELU | {"metamers": {"layer": "conv1", "vary": {"continuous_features": {}}}}
    assert differing(RELU, other) == ["metamers.vary"]
    null = RELU | {"metamers": {"layer": "conv1", "vary": {"binary_features": {"slope": None}}}}
    assert differing(RELU, null) == []


def test_training_without_a_perturbation_differs_from_training_with_one():
    cells = {
        name: RELU | {"training": {"perturbation": one}}
        for name, one in (("a", None), ("b", {"random": {"size": 0.1}}))
    }
    assert differing(*cells.values()) == ["training.perturbation"]
    titles = [name.title for name in name_cells(cells).values()]
    assert ["random perturbation" in title for title in titles] == [False, True]


def test_planted_problems_beside_a_cell_are_no_difference():
    assert differing(*({"planted": {"problems": n}} for n in (0, 20))) == []


def test_names_that_are_not_of_the_package_are_called_as_they_are():
    own = {
        "dataset": {"club": {"size": 3}},
        "model": {"loner": {"factor": 2.0}},
        "metamers": {
            "layer": "inner",
            "vary": {"together": [{"first_columns": {"depth": 2}}, {"wires": {"start": "north"}}]},
            "method": {"my_search": {"rate": 0.5}},
        },
    }
    other = own | {"metamers": own["metamers"] | {"method": {"my_search": {"rate": 0.25}}}}
    first, second = name_cells({"a": own, "b": other}).values()
    assert (first.dataset, first.model, first.layer) == ("club", "loner", "inner")
    assert first.vary == "first columns and wires, from north"
    assert [one.title.rpartition(" · ")[2] for one in (first, second)] == ["rate 0.5", "rate 0.25"]
