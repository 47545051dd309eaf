"""Alerts and the supervision tree in public JSON."""

from aura_actors.domain import alerts
from aura_actors.kernel.cell import Cell, CellStatistics
from aura_actors.kernel.reports import Node
from aura_actors.kernel.supervisor import Supervisor
from aura_actors.messages.public.forms import utc
from aura_actors.wire import actors
from aura_actors.wire import alerts as wire_alerts


def alert(raised: alerts.Alert) -> wire_alerts.Alert:
    """An alert, with a sentence for people."""
    verb = "is back at" if raised.cleared_at is not None else "is at"
    return wire_alerts.Alert(
        name=raised.name,
        value=round(raised.value, 2),
        threshold=raised.above,
        unit=raised.unit,
        raised_at=utc(raised.raised_at),
        cleared_at=None if raised.cleared_at is None else utc(raised.cleared_at),
        text=f"{raised.name} {verb} {raised.value:.0f} {raised.unit} (threshold {raised.above:g} {raised.unit})",
    )


def alerts_now(known: alerts.Alerts) -> wire_alerts.Alerts:
    """The body of `/api/alerts`."""
    return wire_alerts.Alerts(
        active=[alert(each) for each in known.active],
        thresholds=[
            wire_alerts.AlertThreshold(
                name=each.name, threshold=each.above, cleared_below=each.cleared_below, unit=each.unit
            )
            for each in known.thresholds
        ],
    )


def tree(root: Supervisor, dead_letters: int) -> actors.Actors:
    """The supervision tree as it is now."""
    return actors.Actors(
        root=actors.ActorNode(
            name=root.name,
            state="running",
            generation=1,
            restarts=0,
            last_crash=None,
            mailbox=None,
            children=[_node(node) for node in root.nodes()],
        ),
        dead_letters=dead_letters,
    )


def _node(node: Node) -> actors.ActorNode:
    crash = None
    if node.last_crash is not None and node.crashed_at is not None:
        crash = actors.Crash(at=utc(node.crashed_at), error=node.last_crash)
    return actors.ActorNode(
        name=node.name,
        state=node.state,
        generation=node.generation,
        restarts=node.restarts,
        last_crash=crash,
        mailbox=_mailbox(node.service.statistics()) if isinstance(node.service, Cell) else None,
        children=[_node(child) for child in node.service.nodes()] if isinstance(node.service, Supervisor) else [],
    )


def _mailbox(cell: CellStatistics) -> actors.Mailbox:
    return actors.Mailbox(
        depth=cell.mailbox.depth,
        high_water=cell.mailbox.high_water,
        capacity=cell.mailbox.capacity,
        handled=cell.handled,
        refused=cell.mailbox.refused,
        dropped=cell.mailbox.dropped,
        handler_seconds=round(cell.handler_seconds, 6),
    )
