"""Metadata of the pdlease distribution; settings of tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "pdlease" / "__init__.py").read_text())[1]

TESTS = [
    "coverage[toml]>=7",
    "hypothesis>=6.100",
    "jsonschema>=4",
    "rich>=13",
    "scapy>=2.5",
    # what the examples of plug-ins are built with
    "setuptools>=68",
    "wheel",
]

setup(
    name="pdlease",
    version=VERSION,
    description="A DHCPv6 prefix-delegation client daemon for Linux",
    long_description=(HERE / "README.rst").read_text(),
    long_description_content_type="text/x-rst",
    license="ISC",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=[*find_packages(include=["pdlease", "pdlease.*"]), "twisted.plugins"],
    package_data={"pdlease": ["py.typed", "control/schemas/*.json"]},
    data_files=[
        ("share/man/man5", ["docs/man/pdlease.toml.5"]),
        ("share/man/man8", ["docs/man/pdlease.8", "docs/man/pdleasectl.8", "docs/man/dhcp6leasectl.8"]),
    ],
    install_requires=[
        "attrs>=23.1",
        "pyroute2>=0.7.12",
        "Twisted>=23.10",
        "zope.interface>=6",
    ],
    extras_require={
        "tests": TESTS,
        "terminal": ["rich>=13"],
        "dev": [
            *TESTS,
            "build",
            "import-linter>=2",
            "mypy>=1.10",
            "mypy-zope>=1.0.5",
            "ruff>=0.6",
            "tox>=4",
        ],
    },
    entry_points={
        "console_scripts": [
            "pdleasectl = pdlease.control.cli:main",
            "dhcp6leasectl = pdlease.control.leasectl:main",
        ]
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: No Input/Output (Daemon)",
        "Framework :: Twisted",
        "Intended Audience :: System Administrators",
        "License :: OSI Approved :: ISC License (ISCL)",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Internet",
        "Topic :: System :: Networking",
        "Typing :: Typed",
    ],
    zip_safe=False,
)
