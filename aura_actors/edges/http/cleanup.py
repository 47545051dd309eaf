"""HTTP operations of cleanup: what is scheduled, what was done, a run on request, and its undoing."""

import trio

from aura_actors.edges.http.api import Answer, Call, Operations
from aura_actors.edges.http.caller import owner
from aura_actors.edges.http.problems import problem
from aura_actors.edges.services import ask
from aura_actors.messages import cleanup as m
from aura_actors.wire.admission import Name, Problem
from aura_actors.wire.cleanup import CleanupReport, CleanupRuns, CleanupState, RunBody, RunStarted

cleanup = Operations("cleanup")

WAIT_SECONDS = 300.0
RUN = {"runId": Name}


@cleanup.add("GET", "/api/cleanup", responses={200: CleanupState})
async def list_tasks(call: Call) -> Answer:
    """Every task: its schedule, its last report, and how far the run under way is."""
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
    if not call.body.dry_run:
        await call.services.audit(owner(call), "cleanup.run", f"{task} {run.run_id}")
    if call.query.get("wait") not in ("1", "true"):
        return _started(run)
    return await _report(run)


@cleanup.add("GET", "/api/cleanup/runs", responses={200: CleanupRuns})
async def list_runs(call: Call) -> Answer:
    """What the last runs did, the newest first."""
    return Answer(body=await ask(call.services.cleanup, m.ListRuns()))


@cleanup.add(
    "GET",
    "/api/cleanup/runs/{runId}",
    path_types=RUN,
    responses={200: CleanupReport, 202: RunStarted, 404: Problem},
)
async def show_run(call: Call) -> Answer:
    """One run's report; 202 while it waits or is under way."""
    run_id = call.path["runId"]
    report = await ask(call.services.cleanup, m.FindRun(run_id=run_id))
    return Answer(body=RunStarted(run_id=run_id), status=202) if report is None else Answer(body=report)


@cleanup.add(
    "POST",
    "/api/cleanup/runs/{runId}/undo",
    path_types=RUN,
    responses={200: CleanupReport, 202: RunStarted, 404: Problem, 409: Problem},
)
async def undo_run(call: Call) -> Answer:
    """Put back what a run took, as long as it lies in quarantine; answers with the run's report as it is then."""
    run = await ask(call.services.cleanup, m.UndoRun(run_id=call.path["runId"]))
    await call.services.audit(owner(call), "cleanup.undo", call.path["runId"])
    answer = await _report(run)
    if isinstance(answer.body, CleanupReport) and answer.body.outcome == "declined":
        return problem(409, answer.body.detail or "it cannot be undone", kind="declined")
    return answer


@cleanup.add(
    "POST",
    "/api/cleanup/runs/{runId}/stop",
    path_types=RUN,
    responses={200: CleanupReport, 202: RunStarted, 404: Problem},
)
async def stop_run(call: Call) -> Answer:
    """End a run that waits or is under way; what it did stays done. Answers with its report."""
    run = await ask(call.services.cleanup, m.StopRun(run_id=call.path["runId"]))
    await call.services.audit(owner(call), "cleanup.stop", call.path["runId"])
    return await _report(run)


def _started(run: m.Run) -> Answer:
    return Answer(body=RunStarted(run_id=run.run_id, joined=run.joined), status=202)


async def _report(run: m.Run) -> Answer:
    """Wait for it, for as long as a client may be expected to."""
    with trio.move_on_after(WAIT_SECONDS):
        return Answer(body=await run.report.wait_newer(0))
    return _started(run)
