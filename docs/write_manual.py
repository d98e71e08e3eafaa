"""
Write anew what the manual pages of the programs say of command lines; what is made from the configuration file's rows
is written by write_configuration.py.

Run it in the project's folder: python docs/write_manual.py
"""

from pathlib import Path

from pdlease.config.manual import replaced
from pdlease.control import cli, leasectl
from pdlease.control.manual import commands, flags

FOLDER = Path(__file__).with_name("man")

PARTS = {"pdleasectl.8": commands(cli.parser()), "dhcp6leasectl.8": flags(leasectl.parser())}

if __name__ == "__main__":
    for name, part in PARTS.items():
        page = FOLDER / name
        page.write_text(replaced(page.read_text(), part))
