"""Metrics by name: options find their metric, and one figure has one meaning."""

from __future__ import annotations

import pytest

from nnplug import Plugins
from nnplug.errors import InvalidOptions, UnknownComponent
from nnplug.evaluation.metrics import Overlap, make_metrics

REGISTRY = Plugins().registry


def test_options_go_to_the_metrics_that_have_them():
    overlap, surface = make_metrics(["overlap", "surface"], {"tolerance": 2.5}, REGISTRY)
    assert overlap == Overlap()
    assert surface.tolerance == 2.5


def test_an_option_that_nobody_has_is_refused():
    with pytest.raises(InvalidOptions, match=r"no metric of overlap, surface has an option 'tolerence'; known: \['mis"):
        make_metrics(["overlap", "surface"], {"tolerence": 1}, REGISTRY)
    with pytest.raises(InvalidOptions, match="known: none"):
        make_metrics(["overlap"], {"tolerance": 1}, REGISTRY)


def test_a_name_that_nobody_offers_is_refused():
    with pytest.raises(UnknownComponent, match="Did you mean 'surface'"):
        make_metrics(["surfaces"], {}, REGISTRY)


def test_two_meanings_of_one_figure_are_refused(install):
    module = "nnplug_x"
    install(
        "nnplug-x",
        "x",
        f"""
        @hookimpl
        def nnplug_metrics():
            return [MetricComponent("x", "fake_{module}:X", "counts again")]

        class X:
            figures = ("Dice",)
            ranked = {{}}
        """,
    )
    with pytest.raises(InvalidOptions, match="metrics 'overlap' and 'x' both give 'Dice'; write them to a file each"):
        make_metrics(["overlap", "x"], {}, Plugins().registry)
