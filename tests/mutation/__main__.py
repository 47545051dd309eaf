"""Runs the tests of the rules against every mutant of them, and says which nobody noticed.

python -m tests.mutation                         all modules that have tests
python -m tests.mutation ledger books            these
python -m tests.mutation --workers 4             four at a time
python -m tests.mutation --results played.jsonl  writes every verdict down; what was noticed there, of the
                                                 same code, is not played again
"""

import argparse
import hashlib
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tests.mutation.mutants import Mutant, mutants
from tests.mutation.play import DOMAIN, Verdict, start, tests_of, wait

TIMES_UNCHANGED = 5
LEAST_CPU_SECONDS = 5.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one mutant, a line of JSON; `program` is a digest of the module as changed."""

    module: str
    line: int
    what: str
    source: str
    program: str
    verdict: Verdict
    cpu_seconds: float


class Work(msgspec.Struct, frozen=True):
    """One mutant that is to be played."""

    module: str
    mutant: Mutant
    source: str
    program: str


def main() -> None:
    """Play the mutants that were asked for; the survivors as lines of JSON, then a table."""
    options = _options()
    stems = options.modules or sorted(path.stem for path in DOMAIN.glob("*.py") if tests_of(path.stem))
    if unknown := [stem for stem in stems if not tests_of(stem)]:
        sys.exit(f"no tests know {', '.join(unknown)}")
    work = [each for stem in stems for each in _work(stem)]
    if options.sample is not None:
        work = random.Random(options.seed).sample(work, min(options.sample, len(work)))
    before = _noticed_before(options.results) if options.results else {}
    known = [before[each.program] for each in work if each.program in before]
    played = []
    for result in _play([each for each in work if each.program not in before], options.workers):
        played.append(result)
        line = msgspec.json.encode(result).decode()
        if options.results:
            with options.results.open("a") as file:
                print(line, file=file)
        if result.verdict == Verdict.SURVIVED:
            print(line, flush=True)
    _table([*known, *played])


def _work(stem: str) -> Iterator[Work]:
    text = (DOMAIN / f"{stem}.py").read_text()
    lines = text.splitlines()
    for mutant in mutants(text):
        digest = hashlib.blake2b(f"{stem}\n{mutant.text}".encode(), digest_size=16).hexdigest()
        yield Work(stem, mutant, lines[mutant.line - 1].strip(), digest)


def _noticed_before(path: Path) -> dict[str, Result]:
    """What was noticed in earlier runs, by program; the survivors are played again, for tests may have come."""
    if not path.exists():
        return {}
    results = (msgspec.json.decode(line, type=Result) for line in path.read_text().splitlines())
    return {result.program: result for result in results if result.verdict != Verdict.SURVIVED}


def _play(work: list[Work], workers: int) -> Iterator[Result]:
    known_by = {each.module: frozenset(tests_of(each.module)) for each in work}
    limits = {tests: _limit(stem) for tests, stem in {tests: stem for stem, tests in known_by.items()}.items()}
    running: dict[int, Work] = {}
    for each in work:
        if len(running) == workers:
            yield _next(running)
        code = compile(each.mutant.text, f"{each.module}.py", "exec")
        running[start(each.module, code, limits[known_by[each.module]])] = each
    while running:
        yield _next(running)


def _next(running: dict[int, Work]) -> Result:
    pid, verdict, cpu_seconds = wait()
    work = running.pop(pid)
    return Result(
        module=work.module, line=work.mutant.line, what=work.mutant.what, source=work.source, program=work.program,
        verdict=verdict, cpu_seconds=round(cpu_seconds, 2),
    )  # fmt: skip


def _limit(stem: str) -> float:
    """The processor seconds that a mutant may use: a multiple of what its tests take when nothing is changed."""
    start(stem, compile((DOMAIN / f"{stem}.py").read_text(), f"{stem}.py", "exec"))
    _, verdict, cpu_seconds = wait()
    if verdict != Verdict.SURVIVED:
        sys.exit(f"the tests of {stem} fail without any change")
    return max(LEAST_CPU_SECONDS, TIMES_UNCHANGED * cpu_seconds)


def _table(results: Iterable[Result]) -> None:
    by_module: dict[str, list[Verdict]] = {}
    for result in results:
        by_module.setdefault(result.module, []).append(result.verdict)
    by_module["all"] = [verdict for verdicts in by_module.values() for verdict in verdicts]
    for module, verdicts in by_module.items():
        survived = verdicts.count(Verdict.SURVIVED)
        noticed = len(verdicts) - survived
        late = verdicts.count(Verdict.LIMIT)
        print(
            f"{module:16} {len(verdicts):5} played {noticed:5} noticed ({late} by the limit) {survived:5} survived"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="stems of aura_actors/domain")
    parser.add_argument("--workers", type=int, default=1, help="how many are played at a time")
    parser.add_argument("--results", type=Path, help="a file of verdicts, which a later run goes on from")
    parser.add_argument("--sample", type=int, help="only so many, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
