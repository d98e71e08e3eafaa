"""
Write the generated part of configuration.rst anew, from the rows that the file is read by.

Run it in the project's folder: python docs/write_configuration.py
"""

from pathlib import Path

from pdlease.config.reference import BEGIN, reference

FILE = Path(__file__).with_name("configuration.rst")

if __name__ == "__main__":
    FILE.write_text(FILE.read_text().partition(BEGIN)[0] + reference())
