"""
Install a built wheel in a clean environment and use it from another folder, as an operator would.

    python scripts/check_package.py DIST

Checks that C{twistd} finds the plugin, that C{twistd pdlease --help} and C{pdleasectl --version} work, that the wheel
puts nothing but the plugin file into the C{twisted} package, and that the sdist holds what the wheel is made from.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path


def said(command: list[str], folder: str) -> str:
    """Run a command in a folder and return what it printed; ends the check when it fails."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def main(dist: Path) -> None:
    """Check the one wheel and the one sdist in a folder."""
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        foreign = [name for name in archive.namelist() if name.startswith("twisted/")]
        names = archive.namelist()
    assert foreign == ["twisted/plugins/pdlease_service.py"], foreign
    assert "pdlease/py.typed" in names
    assert [name for name in names if name.endswith("share/man/man8/pdlease.8")], "no manual pages"
    with tarfile.open(sdist) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"setup.py", "LICENSE", "README.rst", "pdlease/tap.py", "twisted/plugins/pdlease_service.py"} <= held, held
    assert {"systemd/pdlease.service", "systemd/sysusers.d/pdlease.conf"} <= held, held
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "environment")
        venv.create(place, with_pip=True)
        programs = place / "bin"
        said([str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check", str(wheel.resolve())], folder)
        assert "pdlease" in said([str(programs / "twistd"), "--help"], folder)
        assert "--config" in said([str(programs / "twistd"), "pdlease", "--help"], folder)
        assert "0." in said([str(programs / "pdleasectl"), "--version"], folder)
        assert (programs / "dhcp6leasectl").exists()
    print("the package installs and works from another folder")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
