"""`python -m benchmarks [NAME …] [--quick] [--json]`: run the named benchmarks, or all of them."""

import argparse
import sys

from benchmarks import ask, decide, fanout, http, idle, restart, sample, sweep, throttle
from benchmarks.report import Report

BENCHMARKS = {
    "ask": ask.run,
    "decide": decide.run,
    "fanout": fanout.run,
    "http": http.run,
    "restart": restart.run,
    "sample": sample.run,
    "sweep": sweep.run,
    "idle": idle.run,
}
NAMES = (*BENCHMARKS, "throttle")


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: every benchmark within 40 s")
    parser.add_argument("--json", action="store_true", help="one JSON object per benchmark on standard output")
    throttle.add_options(parser)
    options = parser.parse_args()
    for name in options.names or NAMES:
        report: Report
        if name == "throttle":
            report = throttle.run(quick=options.quick, options=options)
        elif name in BENCHMARKS:
            report = BENCHMARKS[name](quick=options.quick)
        else:
            parser.error(f"there is no benchmark {name!r}; there is {', '.join(NAMES)}")
        sys.stdout.write((report.to_json().decode() if options.json else report.to_text()) + "\n")


if __name__ == "__main__":
    main()
