"""`aura-actors preflight`: would this job start now? Asks the daemon, decides nothing, takes nothing."""

import secrets
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from aura_actors.cli.daemon import TokenFile, Url, open_daemon
from aura_actors.cli.text import printable
from aura_actors.errors import InvalidValue
from aura_actors.wire.admission import AcquireBody, Preflight, Reason
from aura_actors.wire.units import format_size, parse_size

STATUS = {"grant": 0, "wait": 1, "never": 2}
"""Exit status by decision."""
SENTENCE = {"grant": "it would start now", "wait": "there is no room now", "never": "it does not fit here"}
_REFUSALS = {
    "jobId": ("--job-id", "expected 1 to 128 letters, digits and ._:-"),
    "kind": ("--kind", "expected 1 to 64 letters, digits and ._-"),
}
"""Field of the request to the option that sets it, and what that may be."""


def preflight(
    *,
    memory: Annotated[str | None, Parameter(help='Memory the job holds at most, such as "2GiB".')] = None,
    gpu: Annotated[bool, Parameter(help="The job cannot run without a GPU.")] = False,
    priority: Annotated[Literal["low", "normal", "high"], Parameter(help="Who goes first.")] = "normal",
    job_id: Annotated[str | None, Parameter(help="The job's id; one is made up otherwise.")] = None,
    kind: Annotated[str | None, Parameter(help="What sort of job it is.")] = None,
    json: Annotated[bool, Parameter(help="Print the daemon's answer as JSON.")] = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> int:
    """Ask whether a job would start.

    Exit status 0: now; 1: not now; 2: never, or a wrong option; 3: no daemon answers.
    """
    body = _body(memory, gpu, priority, job_id, kind)
    with open_daemon(url, token_file) as daemon:
        answer = daemon.post("/api/admission/preflight", body)
        decision = daemon.decode(answer, Preflight)
    if json:
        print(msgspec.json.format(answer, indent=2).decode())
    else:
        _explain(decision)
    return STATUS[decision.decision]


def _body(memory: str | None, gpu: bool, priority: str, job_id: str | None, kind: str | None) -> dict[str, object]:
    """The request's fields that were given. Raises InvalidValue that names the option."""
    body: dict[str, object] = {
        "jobId": f"preflight-{secrets.token_hex(4)}" if job_id is None else job_id,
        "requiresGpu": gpu,
        "priority": priority,
    }
    if memory is not None:
        body["memoryBytes"] = _size("--memory", memory)
    if kind is not None:
        body["kind"] = kind
    try:
        msgspec.convert(body, AcquireBody)
    except msgspec.ValidationError as error:
        field = str(error).rpartition("$.")[2].rstrip("`")
        option, expected = _REFUSALS.get(field, (field, str(error)))
        raise InvalidValue(expected, path=option) from error
    return body


def _size(option: str, text: str) -> int:
    try:
        return parse_size(text)
    except InvalidValue as error:
        raise InvalidValue(str(error), path=option) from error


def _explain(decision: Preflight) -> None:
    place = "" if decision.position is None else f", at place {decision.position}"
    bound = "" if decision.bound_seconds is None else f", for at most {decision.bound_seconds:.0f} s"
    print(f"{decision.decision}: {SENTENCE[decision.decision]}{place}{bound}")
    for reason in decision.reasons:
        print(f"  {printable(reason.dimension)}: {printable(reason.text)}{_amounts(reason)}")


def _amounts(reason: Reason) -> str:
    """How much is short and who has it; dimensions without a size say it in their text."""
    held = f"; held by {', '.join(printable(job) for job in reason.holders)}" if reason.holders else ""
    if not reason.dimension.startswith("memory"):
        return held
    return f" (needs {format_size(int(reason.needed))}, {format_size(int(reason.available))} left{held})"
