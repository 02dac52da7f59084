"""Charts are well-formed SVG with axes, units and legends; what users wrote is escaped."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

from nnplug_report.charts import Axis, Line, Row, line_chart, thinned, value_chart


def test_lines_have_axes_a_legend_and_gaps():
    points = ((0.0, 1.0), (1.0, math.nan), (2.0, 0.5), (3.0, 0.25))
    lines = [Line("loss <b>", "fold 0", points), Line("other", "fold 0", points)]
    text = line_chart(lines, Axis("epoch", whole=True), Axis("loss in nats"), title="a & b")
    assert "<b>" not in text
    svg = ET.fromstring(text[: text.index("</svg>") + 6])
    words = [one.text for one in svg.iter("text")]
    assert {"epoch", "loss in nats", "0", "1", "2", "3"} <= set(words)
    paths = [one.get("d") for one in svg.iter("path")]
    assert [path.count("M") for path in paths] == [2, 2]  # the line begins again after the gap
    assert "loss &lt;b&gt;" in text
    assert svg.get("aria-label") == "a & b"


def test_no_values_make_no_chart():
    assert line_chart([Line("a", "a", ((0.0, math.nan),))], Axis("x"), Axis("y"), title="t") == ""
    assert value_chart([Row("a", ())], Axis("x"), title="t") == ""


def test_a_row_has_a_dot_per_case_and_the_median():
    text = value_chart([Row("liver", (("a", 0.1), ("<i>", 0.9), ("c", 0.4)))], Axis("Dice", (0.0, 1.0)), title="t")
    svg = ET.fromstring(text)
    assert [one.find("title").text for one in svg.iter("circle")] == ["a: 0.1", "<i>: 0.9", "c: 0.4"]
    (median,) = [one for one in svg.iter("line") if one.get("class") == "median"]
    assert median.find("title").text == "median 0.4"


def test_a_thousand_epochs_are_thinned_and_keep_their_last():
    points = [(float(epoch), 1.0) for epoch in range(1000)]
    kept = thinned(points)
    assert len(kept) <= 401
    assert (kept[0], kept[-1]) == (points[0], points[-1])
