import io
import xml.etree.ElementTree as ET

import pytest
from PIL import Image
from sweeps import result, sweep

from dlcourse.report.pictures import WIDTH, pictures


@pytest.mark.slow
def test_a_png_and_an_svg_of_a_sweep() -> None:
    found = pictures(sweep(), "depth_vs_width", "png")
    assert list(found) == ["report.png"]
    assert Image.open(io.BytesIO(found["report.png"])).size[0] == WIDTH

    (svg,) = pictures(sweep(), "depth_vs_width", "svg").values()
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert [each.text for each in root.iter("{http://purl.org/dc/elements/1.1/}title")] == ["depth vs width"]
    assert pictures(sweep(), "depth_vs_width", "svg")["report.svg"] == svg, "the same bytes each time"


@pytest.mark.slow
def test_one_for_each_task_and_setting() -> None:
    runs = [
        result(depth, 4, 0, 0.5, task__name=task, model__activation=activation)
        for task, activations in (("zigzag", ["relu", "tanh"]), ("a<b>/c", ["relu"])) for depth in (1, 2)
        for activation in activations
    ]  # fmt: skip
    found = pictures(runs, "swept", "svg")
    assert sorted(found) == ["report-a_b__c.svg", "report-zigzag-relu.svg", "report-zigzag-tanh.svg"]


def test_runs_that_make_no_comparison_are_refused() -> None:
    for runs in ([], [result(2, 4, 0, 0.5, model__width=None, model__widths=[4, 8])]):
        with pytest.raises(ValueError, match="no runs here that make a comparison, which png would show"):
            pictures(runs, "swept", "png")
