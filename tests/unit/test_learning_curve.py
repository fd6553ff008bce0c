"""The picture of a run's learning curve."""

import json
from xml.etree import ElementTree as ET

from ff2neuro.learning.curve import learning_curve

SVG = "{http://www.w3.org/2000/svg}"


def metrics(n_epochs=3):
    return [
        json.dumps(
            {
                "epoch": epoch,
                "loss": [1 / epoch, 2 / epoch],
                "goodness_positive": [epoch, 2.0],
                "goodness_negative": [0.5, 1.0],
                "accuracy": 0.9 + epoch / 100,
                "accuracy_on": "50 held-out images",
            }
        )
        for epoch in range(1, n_epochs + 1)
    ]


def words(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_every_figure_of_every_layer_has_its_curve():
    shown = words(learning_curve(metrics()))
    assert {"accuracy", "loss", "goodness", "epoch", "50 held-out images"} <= set(shown)
    assert shown.count("layer 1") == 2
    assert shown.count("layer 1, wrong label") == 1


def test_curve_runs_from_the_first_to_the_last_epoch():
    accuracy = next(
        path.get("d")
        for path in ET.fromstring(learning_curve(metrics())).iter(f"{SVG}path")
        if path.get("d").count("L") == 2
    )
    places = [tuple(map(float, place.split())) for place in accuracy[1:].split("L")]
    assert places[0][0] < places[1][0] < places[2][0]
    assert places[0][1] > places[1][1] > places[2][1]


def test_same_metrics_give_the_same_picture():
    assert learning_curve(metrics()) == learning_curve(metrics())


def test_one_epoch_and_none_are_drawn_too():
    assert "loss" in words(learning_curve(metrics(1)))
    assert words(learning_curve([])) == ["epoch"]


def test_figures_of_hebbian_learning_are_drawn():
    line = json.dumps({"epoch": 1, "separation": [0.8], "accuracy": 0.9, "accuracy_on": "1 <image>"})
    assert {"separation", "layer 0", "1 <image>"} <= set(words(learning_curve([line])))
