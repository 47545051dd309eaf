"""One suite over every collector: a file that nobody registered fails, and each keeps the family's contract."""

import importlib
import pkgutil
from typing import get_args

import msgspec
import pytest

from aura_actors import collectors
from aura_actors.collectors.base import Options
from aura_actors.collectors.registry import DEFAULT_COLLECTORS, AnyCollector
from aura_actors.domain.snapshot import Reading

MEMBERS: tuple[type[AnyCollector], ...] = get_args(AnyCollector)

every_collector = pytest.mark.parametrize("kind", MEMBERS, ids=lambda kind: kind.__name__)


def test_every_collector_is_in_the_union_and_alone_in_its_file() -> None:
    homes = [
        module.name
        for module in pkgutil.iter_modules(collectors.__path__)
        for value in vars(importlib.import_module(f"{collectors.__name__}.{module.name}")).values()
        if isinstance(value, type)
        and issubclass(value, Options)
        and value is not Options
        and value.__module__.endswith(f".{module.name}")
    ]
    assert sorted(homes) == sorted(member.__module__.rpartition(".")[2] for member in MEMBERS)
    assert len(set(homes)) == len(homes)


def test_every_collector_is_on_by_default() -> None:
    assert {type(collector) for collector in DEFAULT_COLLECTORS} == set(MEMBERS)


@every_collector
def test_a_collector_is_named_as_its_file_and_its_tag(kind: type[AnyCollector]) -> None:
    collector = kind()
    assert collector.name == kind.__module__.rpartition(".")[2]
    assert msgspec.to_builtins(collector)["type"] == collector.name


@every_collector
def test_a_collector_is_its_own_configuration(kind: type[AnyCollector]) -> None:
    collector = kind()
    assert msgspec.json.decode(msgspec.json.encode(collector), type=AnyCollector) == collector
    assert msgspec.convert({"type": collector.name}, AnyCollector) == collector


@every_collector
def test_an_unknown_option_is_refused(kind: type[AnyCollector]) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `colour`"):
        msgspec.convert({"type": kind().name, "colour": 1}, AnyCollector)


@every_collector
def test_a_collector_is_immutable(kind: type[AnyCollector]) -> None:
    assert kind.__struct_config__.frozen


@every_collector
def test_a_collector_reads_this_machine(kind: type[AnyCollector]) -> None:
    reading = kind().read()
    assert isinstance(reading, Reading)
    assert msgspec.json.decode(msgspec.json.encode(reading), type=type(reading)) == reading


@every_collector
def test_a_collector_says_what_it_is_and_what_it_refuses_to_know(kind: type[AnyCollector]) -> None:
    assert "Refuses to know" in (importlib.import_module(kind.__module__).__doc__ or "")
