"""The table of what each maker's phones ask for at boot: see boot/makers.toml, which explains its columns."""

import tomllib
from pathlib import Path
from typing import NamedTuple


class Named(NamedTuple):
    """A form of the file names that carry the MAC: ``before`` is the pattern of what stands before it."""

    maker: str
    before: str
    example: str
    source: str


class Common(NamedTuple):
    """A file that all phones of a model ask for."""

    makers: list[str]
    name: str
    example: str
    source: str


class Agent(NamedTuple):
    """The whole form of a User-Agent that carries the MAC, at ``{MAC}``."""

    maker: str
    form: str
    example: str
    source: str


class Start(NamedTuple):
    """How the User-Agents of a maker begin."""

    maker: str
    pattern: str


_table = tomllib.loads((Path(__file__).parent / "makers.toml").read_text("utf-8"))

NAMED = tuple(Named(*row) for row in _table["named"])
COMMON = tuple(Common(*row) for row in _table["common"])
AGENTS = tuple(Agent(*row) for row in _table["agents"])
STARTS = tuple(Start(*row) for row in _table["starts"])
REFUSED_SUFFIXES = frozenset(_table["refused"].split())
