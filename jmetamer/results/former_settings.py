"""Settings of records of the former, flat form, as the objects that they name."""

import json
from collections.abc import Mapping
from typing import Any

from jmetamer.results.setting_tree import TOGETHER

Fields = Mapping[str, Any]
_RELAXATION = (
    "block", "refill", "refill_every", "penalty", "draws", "flips", "kicks", "learning_rate",
    "feature_learning_rate",
)  # fmt: skip
_LOOP = ("steps", "patience", "improvement", "coordinates", "precision")
_NULL_TEST = {"alpha": "alpha", "null_pairs": "pairs", "null_others": "others"}


def as_objects(settings: Fields) -> Fields:
    """Return the settings of a record in the nested form; those that have it are returned.

    What was null because it did not apply is not there.

    Raises:
      TypeError: a section of the former form that holds something else than it should.

    Example:
      >>> as_objects({"dataset": {"name": "digits"}, "model": {"architecture": "gcn", "layers": 2}})
      {'dataset': {'digits': {}}, 'model': {'gcn': {'layers': 2}}}
    """
    dataset = settings.get("dataset")
    if not isinstance(dataset, Mapping) or not isinstance(dataset.get("name"), str):
        return settings
    convert = {
        "dataset": _dataset,
        "model": _model,
        "training": _training,
        "metamers": _metamers,
        "geometry": _geometry,
        "success": _success,
        "recognition": _recognition,
    }
    for name in {*convert} & {*settings}:
        if not isinstance(settings[name], Mapping):
            raise TypeError(f"`{name}` is {settings[name]!r}, and should be a mapping")
    return {key: convert[key](v) if key in convert else v for key, v in settings.items()}


def judge_as_objects(architecture: str, text: str) -> str:
    """Return the settings of a judge in the nested form, as `as_objects` does.

    Args:
      architecture: of the judge, which the oldest records name beside them.
      text: JSON of its sections `model` and `training`.

    Example:
      >>> judge_as_objects("gcn", '{"model": {"layers": 2}, "training": {"patience": "never"}}')
      '{"model": {"gcn": {"layers": 2}}, "training": {"patience": null}}'
    """
    settings = json.loads(text or "null")
    model = settings.get("model") if isinstance(settings, dict) else None
    if not isinstance(model, dict) or isinstance(model.get(architecture), dict):
        return text
    training = _training(settings.get("training") or {})
    return json.dumps(
        {"model": _model({"architecture": architecture} | model), "training": training}
    )


def _dataset(fields: Fields) -> Fields:
    options = dict(fields.get("options") or {})
    return {fields["name"]: _there(fields, "split", "seed") | options}


def _model(fields: Fields) -> Fields:
    own = {key: v for key, v in _without(fields, "architecture").items() if v is not None}
    return {str(fields.get("architecture") or ""): own}


def _training(fields: Fields) -> Fields:
    training = _without(fields, "perturbation_size", "perturbation_steps")
    if training.get("patience") == "never":
        training["patience"] = None
    name = training.get("perturbation")
    if name == "none":
        training["perturbation"] = None
    elif name:
        sizes = _there(fields, "perturbation_size", "perturbation_steps")
        training["perturbation"] = {
            name: {key.removeprefix("perturbation_"): value for key, value in sizes.items()}
        }
    return training


def _geometry(fields: Fields) -> Fields | None:
    return _without(fields, "enabled") if fields.get("enabled", True) else None


def _recognition(fields: Fields) -> Fields | None:
    return None if fields.get("judges") in ([], "none") else fields


def _success(fields: Fields) -> Fields:
    test = {new: fields[former] for former, new in _NULL_TEST.items() if former in fields}
    left_out = not test or fields.get("null_pairs") == 0
    return _without(fields, *_NULL_TEST) | {"null_test": None if left_out else test}


def _metamers(fields: Fields) -> Fields:
    rest = ("nodes", "identity_backward", "tolerance", "count", "seed")
    layers = str(fields.get("layer", "")).split("+")
    return {
        "vary": _vary(fields),
        "layer": {TOGETHER: layers} if len(layers) > 1 else fields.get("layer"),
        "loss": _named(fields.get("loss")),
        "method": _method(fields),
        **{key: fields[key] for key in rest if key in fields},
    }


def _vary(fields: Fields) -> Any:
    vary, edges = fields.get("vary"), dict(fields.get("edges") or {})
    start = _there(edges, "start")
    binary = {"binary_edges": start | _of(edges, "budget", "distance", "directed")}
    if vary == "edges":
        return binary
    if vary == "edge_weights":
        own = {"domain": _domain(fields), **_there(edges, "directed", "candidates")}
        return {"edge_weights": own}
    if vary == "features_and_edges":
        return {TOGETHER: [_features(str(fields.get("features")), fields), binary]}
    if vary == "features_given_edges":
        drawn = {"random_edges": start | _of(edges, "directed")}
        return {TOGETHER: [_features(str(fields.get("features")), fields), drawn]}
    return None if vary is None else _features(str(vary), fields)


def _features(name: str, fields: Fields) -> Fields:
    own = {
        "domain": _domain(fields),
        **_of(fields, "ones", "slope", "margin", "margin_weight"),
        "initialization": _named(fields.get("initialization")),
    }
    return {name: {key: value for key, value in own.items() if value is not None}}


def _domain(fields: Fields) -> Any:
    if fields.get("domain") == "box" and fields.get("bounds"):
        return {"box": dict(zip(("low", "high"), fields["bounds"], strict=True))}
    return _named(fields.get("domain"))


def _method(fields: Fields) -> Any:
    name, edges = fields.get("method"), dict(fields.get("edges") or {})
    rates = _there(fields, "learning_rate", "schedule", "moments")
    loop = {"optimizer": _named(fields.get("optimizer"), rates), **_of(fields, *_LOOP)}
    if name != "optimize":
        return _named(name, _there(fields, "steps"))
    if fields.get("vary") in ("edges", "features_and_edges", "features_given_edges"):
        return {"relax_edges": loop | _there(edges, *_RELAXATION)}
    if fields.get("repulsion"):
        return {"repel": {"weight": fields["repulsion"], "method": {"optimize": loop}}}
    return {"optimize": loop}


def _named(name: object, fields: Fields | None = None) -> Any:
    """Return an object of a name; None where there is no name."""
    return None if name is None else {str(name): dict(fields or {})}


def _of(fields: Fields, *keys: str) -> dict[str, Any]:
    return {key: fields.get(key) for key in keys}


def _there(fields: Fields, *keys: str) -> dict[str, Any]:
    return {key: fields[key] for key in keys if fields.get(key) is not None}


def _without(fields: Fields, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in keys}
