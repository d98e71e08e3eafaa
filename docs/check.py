"""
Check that every page is reStructuredText without a warning, as tox does: python docs/check.py

What the pages say is checked by tests/test_pages.py and by the tests of what they are generated from.
"""

import sys
from pathlib import Path

from docutils.core import publish_doctree
from docutils.utils import SystemMessage

TOP = Path(__file__).parents[1]
PAGES = [
    *sorted(TOP.glob("*.rst")),
    *sorted((TOP / "docs").rglob("*.rst")),
    *sorted((TOP / "newsfragments").glob("*.rst")),
]
SETTINGS = {"report_level": 1, "halt_level": 1, "syntax_highlight": "none", "file_insertion_enabled": False}


def problem(page: Path) -> str | None:
    """What is wrong with a page, or nothing."""
    try:
        publish_doctree(page.read_text(), source_path=str(page), settings_overrides={**SETTINGS, "warning_stream": ""})
    except SystemMessage as message:
        return str(message)
    return None


if __name__ == "__main__":
    problems = [found for page in PAGES if (found := problem(page))]
    print("\n".join(problems) or f"{len(PAGES)} pages are without fault")
    sys.exit(bool(problems))
