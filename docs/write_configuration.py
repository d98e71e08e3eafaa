"""
Write what is made from the rows that the configuration file is read by: parts of configuration.rst and of the manual
page, and pdlease.schema.json.

Run it in the project's folder: python docs/write_configuration.py
"""

from pathlib import Path

from pdlease.config import manual
from pdlease.config.editors import as_text
from pdlease.config.reference import BEGIN, reference

DOCS = Path(__file__).parent
PAGE = DOCS / "configuration.rst"
MANUAL = DOCS / "man" / "pdlease.toml.5"

if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().partition(BEGIN)[0] + reference())
    MANUAL.write_text(manual.replaced(MANUAL.read_text(), manual.reference()))
    (DOCS / "pdlease.schema.json").write_text(as_text())
