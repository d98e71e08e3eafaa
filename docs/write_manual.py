"""
Write the generated parts of the manual pages anew: keys of the configuration file, command lines.

Run it in the project's folder: python docs/write_manual.py
"""

from pathlib import Path

from pdlease.config.manual import reference, replaced
from pdlease.control import cli, leasectl
from pdlease.control.manual import commands, flags

FOLDER = Path(__file__).with_name("man")

PARTS = {
    "pdlease.toml.5": reference,
    "pdleasectl.8": lambda: commands(cli.parser()),
    "dhcp6leasectl.8": lambda: flags(leasectl.parser()),
}

if __name__ == "__main__":
    for name, part in PARTS.items():
        page = FOLDER / name
        page.write_text(replaced(page.read_text(), part()))
