"""Which mistakes are made in a module, and what is left as it is."""

import ast
import os
import subprocess
import sys

import pytest

from tests.mutation import play
from tests.mutation.mutants import mutants


def made(source: str) -> set[str]:
    return {mutant.text for mutant in mutants(source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", {"a <= b"}),
        ("a < b == c", {"a <= b == c", "a < b != c"}),
        ("a is None", {"a is not None"}),
        ("a not in b", {"a in b"}),
        ("a + b", {"a - b"}),
        ("a += b", {"a -= b"}),
        ("a and b", {"a or b", "b and b", "a and a"}),
        ("x = not a", {"x = not not a"}),
        ("x = True", {"x = False"}),
        ("x = 4", {"x = 5"}),
        ("x = min(a, b)", {"x = max(a, b)"}),
        ("x = a if b else c", {"x = c if b else a"}),
        ("call(a)", {"pass"}),
        ("a.b = c", {"pass"}),
        ("a[b] = c", {"pass"}),
        ("del a", {"pass"}),
    ],
)
def test_one_place_is_changed_at_a_time(source: str, expected: set[str]) -> None:
    assert made(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "x = 'text'",
        "x: int | None = None",
        "def f(x: Literal[1]) -> Literal[2]: ...",
        "class A(Struct, frozen=True, kw_only=True): ...",
        "@given(2)\ndef f(): ...",
        "assert a < b",
        "x = f'{a + b}'",
        "def __repr__(self):\n    return a + b",
    ],
)
def test_declarations_texts_and_asserts_are_left_as_they_are(source: str) -> None:
    assert made(source) == set()


def test_the_line_of_a_change_is_that_of_what_was_changed() -> None:
    source = "def f(a):\n    a.b = c\n    return a + 1\n"
    assert [(mutant.line, mutant.what) for mutant in mutants(source)] == [
        (2, "without a.b = c"),
        (3, "Add becomes Sub"),
        (3, "1 becomes 2"),
    ]


def test_every_mutant_is_a_whole_module_and_differs_from_the_source() -> None:
    source = "import x\n\ndef f(a, b):\n    return a < 1 or b[0] is not None\n"
    texts = [mutant.text for mutant in mutants(source)]
    assert len(texts) == len(set(texts)) == 7
    for text in texts:
        assert text.startswith("import x")
        assert ast.unparse(ast.parse(text)) != ast.unparse(ast.parse(source))


def test_all_tests_of_the_rules_can_be_collected_as_mutants_are_played_against_them() -> None:
    files = {path for module in play.DOMAIN.glob("*.py") for path in play.tests_of(module.stem)}
    assert len(files) > 40
    command = [sys.executable, "-c", "import sys, tests.mutation.play, pytest; sys.exit(pytest.main(sys.argv[1:]))"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, *play.OPTIONS, "--collect-only", *sorted(files)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
