"""docs/reliability.md says what the results say."""

from tests.torture import page, results
from tests.torture.results import ROOT, Lines, keep
from tests.torture.sections import SECTIONS


def test_the_page_is_made_from_the_results():
    written = (ROOT / "docs" / "reliability.md").read_text()
    assert written == page.page(), "run: python -m tests.torture.page > docs/reliability.md"
    assert [line[3:] for line in written.splitlines() if line.startswith("## ")] == [s.title for s in SECTIONS.values()]


def test_a_table_stands_where_a_campaign_was_measured_and_nothing_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path / "new")
    assert page.page().count(page.NOT_MEASURED) == len(SECTIONS)
    keep("kill", "python -m tests.torture.kill", (("stage", "kills"), [("train", "7")]), "None failed.")
    text = page.page()
    assert text.count(page.NOT_MEASURED) == len(SECTIONS) - 1
    assert "| stage | kills |\n| --- | --- |\n| train | 7 |\n\nNone failed.\n" in text


def test_lines_go_on_behind_those_of_an_earlier_start(tmp_path):
    Lines(tmp_path / "a" / "kill.jsonl").add({"n": 1})
    again = Lines(tmp_path / "a" / "kill.jsonl")
    again.add({"n": 2})
    assert again.past == Lines(tmp_path / "a" / "kill.jsonl").past == [{"n": 1}, {"n": 2}]
