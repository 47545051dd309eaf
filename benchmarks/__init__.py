"""Programs that measure, side by side with a peer or a floor in the same run. Not tests: nothing fails here.

`python -m benchmarks NAME` prints a table and, with `--json`, one object. Absolute figures depend on the machine;
what counts is the ratio. Each file is one benchmark.
"""
