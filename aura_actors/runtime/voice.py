"""What the runtime itself says in the log: crashes, dead letters, stalls, parts that do not stop, cleanups."""

import structlog

from aura_actors.domain.flights import Errand
from aura_actors.kernel.cell import DeadLetter
from aura_actors.kernel.reports import CrashReport
from aura_actors.kernel.watchdog import Stall
from aura_actors.wire.cleanup import CleanupReport

log = structlog.get_logger("aura_actors.runtime")


def stalled(stall: Stall) -> None:
    """Somebody holds the loop. Called from the watching thread."""
    log.error("the loop is held up", actor=stall.actor, where=stall.where, seconds=stall.seconds)


def stuck(names: list[str]) -> None:
    """Parts ignore even their cancellation."""
    log.critical("parts do not stop", stuck=names)


def crashed(crash: CrashReport) -> None:
    """A part ended with an error."""
    again = "not restarted" if crash.retry_seconds is None else f"restart in {crash.retry_seconds:.2f} s"
    log.error(
        "crashed",
        child=crash.child,
        generation=crash.generation,
        error=crash.error,
        then=again,
        exc_info=crash.exception,
    )


def cleaned(report: CleanupReport, errand: Errand) -> None:
    """A cleanup is over, or undone."""
    if errand == "undo":
        log.info(
            "cleanup undone", task=report.task, run=report.run_id, restored=report.restored, detail=report.detail
        )
        return
    log.info(
        "cleanup finished",
        task=report.task,
        outcome=report.outcome,
        detail=report.detail,
        removed=report.removed,
        freed_bytes=report.freed_bytes,
        dry_run=report.dry_run,
    )


def sweeper(text: str) -> None:
    """What the process of a cleanup run prints, which it does only where it has a defect."""
    log.warning("cleanup", says=text)


def layout(text: str) -> None:
    """The default database is not one that cleanup can use."""
    log.warning("the default layout", says=text)


def unaudited(text: str) -> None:
    """What an operator did could not be written down."""
    log.warning("audit", says=text)


def buried(letter: DeadLetter) -> None:
    """A message that nobody will handle. Only its type is told: it may carry a secret."""
    log.debug("dead letter", actor=letter.actor, message=type(letter.message).__name__, reason=letter.reason)


def gpu(text: str) -> None:
    """What the GPU probe prints, and how it ends."""
    log.warning("gpu", says=text)
