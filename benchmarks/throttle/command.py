"""`python -m benchmarks throttle`: which scenarios, policies and seeds, in virtual time or for real.

Owns the options and the order of runs: for every seed all policies, one after another, so that what else the
machine does meanwhile falls on all of them.
"""

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import httpx2
import msgspec

from benchmarks.throttle import plots, real, server, virtual
from benchmarks.throttle.outcome import Outcome
from benchmarks.throttle.scenario import Scenario, load, shipped
from benchmarks.throttle.table import Progress, ThrottleReport, report
from benchmarks.throttle.variants import DEFAULT, OPTIONS, PEERS, Variant, parse

SEEDS = (1, 2, 3)
FIRST = "ramp"
EXTRA = {
    "liars": ("ours+caps",),
    "overdeclared": ("reservation+auto", "ours+auto"),
    "overload": ("ours+lazy", "ours+pass16"),
    "stream": ("ours+lazy", "ours+pass16"),
}
"""Policies that are worth a look in a scenario beside the default ones."""

Plays = Callable[[Scenario, Variant, int], Outcome]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of this benchmark alone."""
    group = parser.add_argument_group("throttle")
    group.add_argument("--real", action="store_true", help="real processes in a memory control group (as root)")
    group.add_argument("--url", help="drive a running server; its policy is the only one")
    group.add_argument("--token", help="for --url")
    scenarios = f"a TOML file, or of {', '.join(shipped())}; may be repeated"
    group.add_argument("--scenario", action="append", metavar="FILE", help=scenarios)
    policies = ", ".join([*PEERS, "ours"])
    options = "; ".join(f"+{name}: {what}" for name, what in OPTIONS.items())
    group.add_argument("--policies", metavar="A,B", help=f"of {policies}, each with options: {options}")
    group.add_argument("--seeds", metavar="N,M", help="all policies see the same jobs under the same seed")
    group.add_argument("--plots", metavar="FOLDER", type=Path, help="write SVG plots there")
    group.add_argument("--read", metavar="FILE", nargs="+", type=Path, help="show earlier --json output instead")


def run(*, quick: bool, options: argparse.Namespace) -> ThrottleReport:
    """Everything that was asked for."""
    if options.read:
        done = report([outcome for path in options.read for outcome in read(path)], ["read from earlier runs"])
    else:
        done = _run(quick=quick, options=options)
    if options.plots is not None:
        plots.write(done.runs, options.plots)
    return done


def read(path: Path) -> list[Outcome]:
    """The runs of earlier output."""
    found = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
    return [run for each in found for run in msgspec.convert(each["runs"], list[Outcome])]


def _run(*, quick: bool, options: argparse.Namespace) -> ThrottleReport:
    try:
        names = options.scenario or ([FIRST] if options.real or options.url else _all())
        scenarios = [load(name) for name in names]
        chosen = None if options.policies is None else [parse(name) for name in options.policies.split(",")]
        seeds = [int(seed) for seed in options.seeds.split(",")] if options.seeds else SEEDS[: 1 if quick else None]
    except (ValueError, OSError) as error:
        sys.exit(f"throttle: {error}")
    progress = Progress()
    if options.url:
        return _against(options, scenarios, seeds)
    if not options.real:
        notes = ["virtual time: exact, the same on every machine; --real runs processes"]
        return report(list(_each(virtual_play, scenarios, chosen, seeds, progress)), notes)
    reason = real.permitted()
    if reason is not None:
        return report([], [f"--real is not possible here: {reason}"])
    with real.job_program() as program, _terminated_as_interrupted():

        def real_play(scenario: Scenario, variant: Variant, seed: int) -> Outcome:
            return real.play(scenario, variant, seed, progress.tell, program)

        return report(list(_each(real_play, scenarios, chosen, seeds, progress)), ["real processes"])


def _against(options: argparse.Namespace, scenarios: Sequence[Scenario], seeds: Sequence[int]) -> ThrottleReport:
    """The server's own decisions."""
    program_of = real.job_program if options.real else contextlib.nullcontext
    try:
        with program_of() as program:
            runs = [
                server.play(options.url, options.token, scenario, seed, program)
                for scenario in scenarios
                for seed in seeds
            ]
    except httpx2.HTTPError as error:
        sys.exit(f"throttle: {options.url}: {error}")
    except KeyboardInterrupt:
        sys.exit("\nthrottle: interrupted; every lease was given back")
    return report(runs, [f"against {options.url}, which decides as it is configured"])


def virtual_play(scenario: Scenario, variant: Variant, seed: int) -> Outcome:
    """One run in virtual time: over before anybody could look."""
    return virtual.play(scenario, variant, seed)


def _all() -> list[str]:
    return sorted(shipped(), key=lambda name: (name != FIRST, name))


def _each(
    play: Plays,
    scenarios: Sequence[Scenario],
    chosen: Sequence[Variant] | None,
    seeds: Sequence[int],
    progress: Progress,
) -> Iterator[Outcome]:
    for scenario in scenarios:
        variants = chosen or [parse(name) for name in (*DEFAULT, *EXTRA.get(scenario.name, ()))]
        for seed in seeds:
            for variant in variants:
                progress.run(f"{scenario.name} seed {seed} {variant.name}")
                yield play(scenario, variant, seed)
                progress.done()


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: everything is cleaned up."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit("\nthrottle: interrupted; no process and no control group is left")
    finally:
        signal.signal(signal.SIGTERM, before)
