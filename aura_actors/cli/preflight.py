"""`aura-actors preflight`: would this job start now? Asks the daemon, decides nothing, takes nothing."""

import secrets
from typing import Annotated

import msgspec
from cyclopts import Parameter

from aura_actors.cli import needs, reasons
from aura_actors.cli.daemon import TokenFile, Url, find_daemon
from aura_actors.wire.admission import Preflight

STATUS = {"grant": 0, "wait": 1, "never": 2}
"""Exit status by decision."""
SENTENCE = {"grant": "it would start now", "wait": "there is no room now", "never": "it does not fit here"}


def preflight(
    *,
    memory: needs.Memory = None,
    cpu: needs.Cpu = 0,
    gpu: needs.Gpu = False,
    prefer_gpu: needs.PreferGpu = False,
    gpu_memory: needs.GpuMemory = None,
    priority: needs.Priority = "normal",
    job_id: needs.JobId = None,
    kind: needs.Kind = None,
    json: Annotated[bool, Parameter(help="Print the daemon's answer as JSON.")] = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> int:
    """Ask whether a job would start.

    Exit status 0: now; 1: not now; 2: never, or a wrong option; 3: no daemon answers.
    """
    body = needs.body(
        f"preflight-{secrets.token_hex(4)}" if job_id is None else job_id,
        memory=memory,
        cpu=cpu,
        gpu=gpu,
        prefer_gpu=prefer_gpu,
        gpu_memory=gpu_memory,
        priority=priority,
        kind=kind,
    )
    daemon = find_daemon(url, token_file)
    answer = daemon.post("/api/admission/preflight", body)
    decision = daemon.decode(answer, Preflight)
    if json:
        print(msgspec.json.format(answer, indent=2).decode())
    else:
        _explain(decision)
    return STATUS[decision.decision]


def _explain(decision: Preflight) -> None:
    place = "" if decision.position is None else f", at place {decision.position}"
    bound = "" if decision.bound_seconds is None else f", for at most {decision.bound_seconds:.0f} s"
    print(f"{decision.decision}: {SENTENCE[decision.decision]}{place}{bound}")
    for line in reasons.lines(decision.reasons):
        print(f"  {line}")
