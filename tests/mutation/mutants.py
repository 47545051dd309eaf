"""The changes that are made to a module: one place at a time, each a mistake that somebody could have made.

Owns what is changed and how; knows neither tests nor files. Annotations, texts, asserts, `__repr__`, decorators and
the options of a class (`frozen=True`) are left as they are: nothing that is decided depends on them.
"""

import ast
from collections.abc import Callable, Iterator

import msgspec

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
EXTREMES = {"min": "max", "max": "min"}
DECLARATIONS = {"annotation", "returns", "type_comment", "decorator_list"}

Change = Callable[[], str]
"""Makes the change in the tree that it was found in; says what it did."""


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """One changed module: the line and the kind of its change, and its whole text."""

    line: int
    what: str
    text: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines within each kind of node."""
    for number in range(len(_places(ast.parse(source)))):
        tree = ast.parse(source)
        node, change = _places(tree)[number]
        what = change()
        yield Mutant(line=getattr(node, "lineno", 1), what=what, text=ast.unparse(tree))


def _places(tree: ast.Module) -> list[tuple[ast.AST, Change]]:
    places: list[tuple[ast.AST, Change]] = []
    for node in _decisive(tree):
        places += ((node, change) for change in _changes(node))
        places += _statements(node)
    return places


def _decisive(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        if name in DECLARATIONS or (name == "keywords" and isinstance(node, ast.ClassDef)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.FunctionDef) and child.name == "__repr__":
                continue
            if isinstance(child, ast.AST) and not isinstance(child, ast.Assert | ast.JoinedStr):
                yield from _decisive(child)


def _changes(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare():
            yield from (_compare(node, number) for number, op in enumerate(node.ops) if type(op) in COMPARISONS)
        case ast.BinOp() | ast.AugAssign() if type(node.op) in ARITHMETIC and not _is_type(node):
            yield lambda: _operator(node)
        case ast.BoolOp():
            yield lambda: _either(node)
            yield from (_operand(node, number) for number in range(len(node.values)))
        case ast.UnaryOp(op=ast.Not()):
            yield lambda: _not(node)
        case ast.Constant(value=bool()):
            yield lambda: _constant(node, not node.value)
        case ast.Constant(value=int() | float() as number):
            yield lambda: _constant(node, number + 1)
        case ast.Call(func=ast.Name(id="min" | "max") as function):
            yield lambda: _extreme(function)
        case ast.IfExp():
            yield lambda: _branches(node)


def _statements(node: ast.AST) -> Iterator[tuple[ast.AST, Change]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield from ((each, _left_out(block, number)) for number, each in enumerate(block) if _acts(each))


def _acts(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call()):
            return True
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.AugAssign(target=ast.Attribute()):
            return True
        case ast.Delete():
            return True
    return False


def _is_type(node: ast.AST) -> bool:
    """`int | None` in a module's own names of types."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)


def _compare(node: ast.Compare, number: int) -> Change:
    def change() -> str:
        old = node.ops[number]
        node.ops[number] = COMPARISONS[type(old)]()
        return f"{type(old).__name__} becomes {type(node.ops[number]).__name__}"

    return change


def _operator(node: ast.BinOp | ast.AugAssign) -> str:
    old, node.op = node.op, ARITHMETIC[type(node.op)]()
    return f"{type(old).__name__} becomes {type(node.op).__name__}"


def _either(node: ast.BoolOp) -> str:
    old, node.op = node.op, ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return f"{type(old).__name__} becomes {type(node.op).__name__}"


def _operand(node: ast.BoolOp, number: int) -> Change:
    def change() -> str:
        left_out = ast.unparse(node.values.pop(number))
        if len(node.values) == 1:
            node.values *= 2  # Python knows no operation of one operand
        return f"without the operand {left_out}"

    return change


def _not(node: ast.UnaryOp) -> str:
    # Two negations: the value as a truth, and no `not` in effect.
    node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)
    return "without the not"


def _constant(node: ast.Constant, value: bool | float) -> str:
    old, node.value = node.value, value
    return f"{old!r} becomes {value!r}"


def _extreme(function: ast.Name) -> str:
    old, function.id = function.id, EXTREMES[function.id]
    return f"{old} becomes {function.id}"


def _branches(node: ast.IfExp) -> str:
    node.body, node.orelse = node.orelse, node.body
    return "the branches are exchanged"


def _left_out(block: list[ast.stmt], number: int) -> Change:
    def change() -> str:
        left_out = ast.unparse(block[number])
        block[number] = ast.Pass()
        return f"without {left_out}"

    return change
