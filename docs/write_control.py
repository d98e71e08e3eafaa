"""
Write the generated part of control.rst anew, from the tables that the daemon works by.

Run it in the project's folder: python docs/write_control.py
"""

from pathlib import Path

from pdlease.control.reference import BEGIN, reference

FILE = Path(__file__).with_name("control.rst")

if __name__ == "__main__":
    FILE.write_text(FILE.read_text().partition(BEGIN)[0] + reference())
