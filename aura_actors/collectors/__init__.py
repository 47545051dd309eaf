"""Sources of readings, one per file; blocking and synchronous, called from worker threads.

`registry` names them all. The package itself loads none of them: `aura-actors run` looks for its control groups
with `cgroup_find`, and needs nothing else of what is here.
"""
