"""What the pages in docs/ say, done as they say."""

import re
from pathlib import Path

import pytest

from dlcourse.cli import CONFIGS

DOCS = CONFIGS.parent / "docs"


def test_counting_runs_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "counting.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    exec(compile("".join(blocks), "counting.md", "exec"), {})
    first, *others, sampled = capsys.readouterr().out.splitlines()
    _, on_plane, in_box = first.split()
    assert on_plane == in_box
    assert others == re.findall(r"print\(.*\)  # (.*)", "".join(blocks))
    mean, low, high = map(float, re.findall(r"[\d.]+", sampled))
    assert low < mean < high


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link
