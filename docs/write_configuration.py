"""
Write what is made from the rows that the configuration file is read by: a part of configuration.rst, and
pdlease.schema.json.

Run it in the project's folder: python docs/write_configuration.py
"""

from pathlib import Path

from pdlease.config.editors import as_text
from pdlease.config.reference import BEGIN, reference

FILE = Path(__file__).with_name("configuration.rst")

if __name__ == "__main__":
    FILE.write_text(FILE.read_text().partition(BEGIN)[0] + reference())
    FILE.with_name("pdlease.schema.json").write_text(as_text())
