"""HTTP operations of cleanup: what is scheduled, what was done, and a run on request."""

import trio

from aura_actors.edges.http.api import Answer, Call, Operations
from aura_actors.edges.http.problems import problem
from aura_actors.edges.services import ask
from aura_actors.messages import cleanup as m
from aura_actors.wire.admission import Name, Problem
from aura_actors.wire.cleanup import CleanupReport, CleanupState, RunBody, RunStarted

cleanup = Operations("cleanup")

WAIT_SECONDS = 300.0


@cleanup.add("GET", "/api/cleanup", responses={200: CleanupState})
async def list_tasks(call: Call) -> Answer:
    """Every task: its schedule and its last report."""
    return Answer(body=await ask(call.services.cleanup, m.Describe()))


@cleanup.add(
    "POST",
    "/api/cleanup/{task}/run",
    path_types={"task": Name},
    body=RunBody,
    body_required=False,
    parameters={"?wait": "1 to wait for the report instead of getting the run's id."},
    responses={200: CleanupReport, 202: RunStarted, 404: Problem},
)
async def run_task(call: Call) -> Answer:
    """Run one task now, or join the run that is under way."""
    state = call.services.cleanup_state.value
    task = call.path["task"]
    if task not in {known.task for known in state.tasks}:
        names = ", ".join(known.task for known in state.tasks)
        return problem(404, f"there is no task {task}; there is {names}")
    run = await ask(call.services.cleanup, m.RunTask(task=task, dry_run=call.body.dry_run))
    if call.query.get("wait") not in ("1", "true"):
        return Answer(body=RunStarted(run_id=run.run_id), status=202)
    with trio.move_on_after(WAIT_SECONDS):
        return Answer(body=await run.report.wait_newer(0))
    return Answer(body=RunStarted(run_id=run.run_id), status=202)
