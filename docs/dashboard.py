"""The Grafana dashboard of one machine, as data: what an operator asks, and the query that answers it.

`python docs/dashboard.py` writes docs/grafana.json. Owns titles, queries and layout; of the daemon it knows the
names of its metrics. Tests hold the file current, and ask a real Prometheus every query.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).with_name("grafana.json")
HERE = 'job="$job",instance="$instance"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


class Panel(NamedTuple):
    """One question. `series` is the query of each line and its name; `unit` is one of Grafana's."""

    title: str
    unit: str
    series: tuple[tuple[str, str], ...]
    what: str = ""
    kind: str = "timeseries"
    stacked: bool = False
    least: float | None = 0
    most: float | None = None
    red_above: float | None = None

    @property
    def width(self) -> int:
        return 4 if self.kind == "stat" else 8

    @property
    def height(self) -> int:
        return 4 if self.kind == "stat" else 8


def of(metric: str, labels: str = "") -> str:
    """The metric of the chosen daemon."""
    return f"{metric}{{{','.join(filter(None, (HERE, labels)))}}}"


def rate(metric: str, labels: str = "") -> str:
    """What a counter grows by in a second."""
    return f"rate({of(metric, labels)}[$__rate_interval])"


def grown(metric: str, labels: str = "") -> str:
    """What a counter grew by in the chosen time."""
    return f"increase({of(metric, labels)}[$__range])"


def stat(title: str, unit: str, query: str, what: str = "", *, red_above: float | None = None) -> Panel:
    """One number, as it is now."""
    return Panel(title, unit, ((query, title),), what, kind="stat", least=None, red_above=red_above)


SECTIONS: dict[str, tuple[Panel, ...]] = {
    "Now": (
        stat("Jobs", "short", of("aura_admission_active"), "that hold a lease"),
        stat("Waiting", "short", of("aura_admission_queue_length"), "jobs and calls that wait for room"),
        stat("Oldest wait", "s", of("aura_admission_queue_wait_seconds"), red_above=3600),
        stat("Memory to give", "bytes", of("aura_admission_memory_bytes", 'account="headroom"')),
        stat("Age of the measurements", "s", f"time() - {of('aura_snapshot_timestamp_seconds')}", red_above=15),
        stat("Alerts", "short", f"sum({of('aura_alert_active')})", red_above=0.5),
    ),
    "Machine": (
        Panel(
            "Processor",
            "percent",
            (
                (of("aura_cpu_usage_percent", 'type="overall"'), "all"),
                (of("aura_cpu_usage_percent", 'type="process"'), "the daemon"),
            ),
            most=100,
        ),
        Panel(
            "Memory",
            "bytes",
            (
                (of("aura_memory_bytes", 'type="used"'), "used"),
                (of("aura_memory_bytes", 'type="available"'), "available"),
                (of("aura_memory_bytes", 'type="total"'), "total"),
                (of("aura_cgroup_memory_limit_bytes"), "limit of the group"),
            ),
        ),
        Panel(
            "Waiting for",
            "percentunit",
            (
                (rate("aura_pressure_waiting_seconds_total"), "some, {{resource}}"),
                (rate("aura_pressure_stalled_seconds_total"), "all, {{resource}}"),
            ),
            "share of time in which some or all tasks waited",
        ),
        Panel(
            "Disks",
            "Bps",
            (
                (rate("aura_disk_read_bytes_total"), "read {{device}}"),
                (rate("aura_disk_written_bytes_total"), "written {{device}}"),
            ),
        ),
        Panel(
            "Network",
            "Bps",
            (
                (rate("aura_network_receive_bytes_total"), "in {{device}}"),
                (rate("aura_network_transmit_bytes_total"), "out {{device}}"),
            ),
        ),
        Panel("GPUs", "percentunit", ((of("aura_gpu_utilization_ratio"), "{{gpu}}"),), most=1),
        Panel("Memory of GPUs", "bytes", ((of("aura_gpu_memory_used_bytes"), "{{gpu}}"),)),
        Panel("Temperature of GPUs", "celsius", ((of("aura_gpu_temperature_celsius"), "{{gpu}}"),)),
        Panel(
            "Killed for want of memory",
            "short",
            ((grown("aura_cgroup_oom_kills_total"), "killed"),),
            "in the control group of the daemon, in the chosen time",
        ),
    ),
    "Admission": (
        Panel(
            "Jobs and queue",
            "short",
            (
                (of("aura_admission_active"), "active"),
                (of("aura_admission_slots"), "at most"),
                (of("aura_admission_queue_length"), "waiting"),
            ),
        ),
        Panel(
            "The books over memory",
            "bytes",
            (
                (of("aura_admission_memory_bytes", 'account="external"'), "others use"),
                (of("aura_admission_memory_bytes", 'account="ghosts"'), "ended leases use still"),
                (of("aura_admission_memory_bytes", 'account="reserved"'), "leases hold"),
                (of("aura_admission_memory_bytes", 'account="headroom"'), "to give"),
            ),
            stacked=True,
        ),
        Panel(
            "Decisions",
            "ops",
            ((f"sum by (outcome, reason) ({rate('aura_admission_decisions_total')})", "{{outcome}} {{reason}}"),),
        ),
        Panel("Leases that ended", "ops", ((f"sum by (how) ({rate('aura_admission_ended_total')})", "{{how}}"),)),
        Panel(
            "Nothing is granted",
            "short",
            (
                (of("aura_admission_brake"), "memory is short"),
                (of("aura_admission_draining"), "draining"),
            ),
            most=1,
        ),
        Panel(
            "Calls to providers",
            "short",
            (
                (of("aura_provider_active"), "{{provider}}"),
                (of("aura_provider_waiting"), "{{provider}} waiting"),
                (of("aura_provider_slots"), "{{provider}} at most"),
            ),
        ),
        Panel(
            "Budgets of providers",
            "percentunit",
            (
                (
                    f"{of('aura_provider_requests_available')} / {of('aura_provider_requests_per_minute')}",
                    "{{provider}} calls",
                ),
                (
                    f"{of('aura_provider_tokens_available')} / {of('aura_provider_tokens_per_minute')}",
                    "{{provider}} tokens",
                ),
            ),
            "what is left of a minute's; below 0 is owed",
            least=None,
        ),
    ),
    "Cleanup": (
        Panel("Freed", "bytes", ((grown("aura_cleanup_freed_bytes_total"), "{{task}}"),), "in the chosen time"),
        Panel(
            "Runs",
            "short",
            ((f"sum by (task, outcome) ({grown('aura_cleanup_runs_total')})", "{{task}} {{outcome}}"),),
            "in the chosen time",
        ),
        Panel(
            "Since the last success",
            "s",
            ((f"time() - {of('aura_cleanup_last_success_timestamp_seconds')}", "{{task}}"),),
        ),
        Panel("Quarantine", "bytes", ((of("aura_cleanup_quarantine_bytes"), "in quarantine"),)),
        Panel(
            "Not removed",
            "short",
            ((grown("aura_cleanup_failures_total"), "{{task}}"),),
            "items that could not be removed, in the chosen time",
        ),
        Panel("A disk is full", "short", ((of("aura_cleanup_disk_urgent"), "tasks are brought forward"),), most=1),
    ),
    "Runtime": (
        Panel("Restarts", "short", ((grown("aura_actor_restarts_total"), "{{actor}}"),), "in the chosen time"),
        Panel("Mailboxes", "short", ((of("aura_actor_mailbox_depth"), "{{actor}}"),), "messages that wait"),
        Panel(
            "Time in handlers",
            "percentunit",
            ((rate("aura_actor_handler_seconds_total"), "{{actor}}"),),
        ),
        Panel(
            "Processor and pauses",
            "percentunit",
            (
                (rate("process_cpu_seconds_total"), "processor, of a core"),
                (rate("aura_gc_pause_seconds_total"), "garbage collection"),
            ),
        ),
        Panel("Resident memory", "bytes", ((of("process_resident_memory_bytes"), "the daemon"),)),
        Panel(
            "Worker threads",
            "short",
            ((of("aura_worker_threads_busy") + " > 0", "{{pool}}"),),
            "at work; a pool that stays busy waits for a disk or a driver",
        ),
        Panel("Sources of readings", "s", ((of("aura_collector_duration_seconds"), "{{collector}}"),)),
        Panel(
            "Feed",
            "short",
            (
                (of("aura_feed_clients"), "clients"),
                (rate("aura_feed_frames_total"), "frames/s"),
                (grown("aura_feed_slow_disconnects_total"), "cut off"),
            ),
        ),
        Panel(
            "Connections",
            "short",
            (
                (of("aura_http_connections"), "open"),
                (rate("aura_http_accepted_total"), "accepted/s"),
                (rate("aura_http_connection_failures_total"), "failed/s"),
            ),
        ),
    ),
}


def queries() -> list[str]:
    """Every query of the dashboard, with Grafana's variables in it."""
    return [query for panels in SECTIONS.values() for panel in panels for query, _ in panel.series]


def dashboard() -> str:
    """What Grafana imports, as JSON."""
    content = {
        "uid": "aura-actors",
        "title": "aura_actors",
        "description": "What the machine does, who may start, what was cleaned up, and how the daemon is.",
        "tags": ["aura"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
                _choice("job", "label_values(aura_up, job)"),
                _choice("instance", 'label_values(aura_up{job="$job"}, instance)'),
            ]
        },
        "panels": list(_laid_out()),
    }
    return json.dumps(content, indent=1) + "\n"


def _choice(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # whenever the time range changes
    }


def _laid_out() -> Iterator[dict[str, Any]]:
    """The panels from left to right and from top to bottom, each section under a row of its own."""
    number, top = 0, 0
    for title, panels in SECTIONS.items():
        number += 1
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "panels": []} | _at(0, top, 24, 1)
        top, left = top + 1, 0
        for panel in panels:
            if left + panel.width > COLUMNS:
                top, left = top + panel.height, 0
            number += 1
            yield _panel(number, panel) | _at(left, top, panel.width, panel.height)
            left += panel.width
        top += panels[-1].height


def _at(left: int, top: int, width: int, height: int) -> dict[str, Any]:
    return {"gridPos": {"x": left, "y": top, "w": width, "h": height}}


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    defaults |= {name: bound for name, bound in (("min", panel.least), ("max", panel.most)) if bound is not None}
    if panel.kind == "timeseries":
        mode = "normal" if panel.stacked else "none"
        defaults["custom"] = {
            "fillOpacity": 30 if panel.stacked else 5,
            "showPoints": "never",
            "stacking": {"mode": mode},
        }
        options: dict[str, Any] = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    else:
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        if panel.red_above is not None:
            steps.append({"color": "red", "value": panel.red_above})
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area", "colorMode": "value"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.what,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for at, (query, legend) in enumerate(panel.series)
        ],
    }


if __name__ == "__main__":
    FILE.write_text(dashboard(), encoding="utf-8")
