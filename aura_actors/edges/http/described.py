"""What the fields of public Structs mean: the docstrings below them, put into their JSON Schemas.

Python does not keep the string below a field, so it is read from the source; where there is none (a program without
its sources) the schemas lack descriptions and nothing else.
"""

import ast
import inspect
import itertools
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from types import ModuleType
from typing import Any

import msgspec

Schema = dict[str, Any]


def describe(components: dict[str, Schema], kinds: Iterable[Any]) -> None:
    """Give every property of every component its description. `kinds` are the types that the components are of."""
    for struct in _structs(msgspec.inspect.multi_type_info(kinds)):
        properties = components[struct.cls.__name__].get("properties", {})
        for field in struct.fields:
            if text := _text(struct.cls, field.name):
                properties[field.encode_name].setdefault("description", text)
        if struct.tag_field in properties:
            properties[struct.tag_field].setdefault("description", "Which of several shapes this is.")


def _structs(found: Iterable[Any]) -> Iterator[msgspec.inspect.StructType]:
    """Every Struct in these types, at any depth, once."""
    seen: set[type] = set()
    waiting = list(found)
    while waiting:
        item = waiting.pop()
        if isinstance(item, msgspec.inspect.StructType):
            if item.cls in seen:
                continue
            seen.add(item.cls)
            yield item
        if isinstance(item, msgspec.Struct):
            waiting += [getattr(item, name) for name in item.__struct_fields__]
        elif isinstance(item, tuple):
            waiting += item


def _text(cls: type, field: str) -> str | None:
    for base in cls.__mro__:
        if text := _fields(sys.modules[base.__module__]).get((base.__name__, field)):
            return text
    return None


@cache
def _fields(module: ModuleType) -> dict[tuple[str, str], str]:
    """The docstring of every field, by class and name."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError):
        return {}
    found: dict[tuple[str, str], str] = {}
    for node in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for field, text in itertools.pairwise(node.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    found[node.name, name] = " ".join(words.split())
    return found
