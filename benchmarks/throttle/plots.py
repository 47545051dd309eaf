"""Plots as small SVG files, written by hand: memory over time, and waits, one line for each policy.

Owns the drawing. Colours are told apart by people who see fewer of them; a policy with an option has a dashed line.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from benchmarks.throttle.outcome import KILLED, Outcome
from benchmarks.throttle.scenario import MIB, load

COLOURS = {
    "ours": "#0072b2",
    "none": "#555555",
    "guide": "#d55e00",
    "reservation": "#009e73",
    "first-fit": "#cc79a7",
    "free-minus-predicted": "#b8860b",
}
"""Okabe and Ito's, darker where they are thin lines on white."""
KILL = "#b00020"
WIDTH, PANEL, GAP, TOP = 760, 74, 12, 34

Point = tuple[float, float]
Scale = Callable[[float], float]


def write(runs: Sequence[Outcome], folder: Path) -> list[Path]:
    """Two for each scenario, of its first seed."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for scenario in dict.fromkeys(run.scenario for run in runs):
        of_scenario = [run for run in runs if run.scenario == scenario]
        shown = [run for run in of_scenario if run.seed == of_scenario[0].seed]
        for what, picture in (("memory", memory(shown)), ("waits", waits(shown))):
            path = folder / f"throttle-{scenario}-{what}.svg"
            path.write_text(picture)
            written.append(path)
    return written


def memory(runs: Sequence[Outcome]) -> str:
    """A panel for each policy: memory in use, the limit, a cross for every kill of a job."""
    left, right = 170, WIDTH - 110
    limit_mib = _limit_mib(runs)
    until = max(run.memory[-1][0] for run in runs)
    x = _scale(0, until, left, right)
    height = TOP + len(runs) * (PANEL + GAP) + 30
    body = [_text(left, 18, f"Memory in use, limit {limit_mib} MiB ({_which(runs)})", size=13)]
    for row, run in enumerate(runs):
        top = TOP + row * (PANEL + GAP)
        middle = top + PANEL / 2
        y = _scale(0, limit_mib * 1.05, top + PANEL, top)
        used = [(x(at), y(amount / MIB)) for at, amount in run.memory if at >= 0]
        area = [(x(0), y(0)), *_stairs(used), (used[-1][0], y(0))]
        body += [
            _tag("rect", x=left, y=top, width=right - left, height=PANEL, fill="#f6f6f6"),
            _tag("polygon", points=_points(area), fill=_colour(run), fill_opacity="0.75"),
            _line((left, y(limit_mib)), (right, y(limit_mib)), KILL, dash="4 3"),
            *(_cross(x(each.ended_at), y(limit_mib)) for each in run.attempts if each.fate in KILLED),
            _text(left - 8, middle, run.policy, anchor="end"),
            _text(left - 8, middle + 15, f"{run.makespan_seconds:.1f} s", anchor="end", grey=True),
            _text(right + 8, middle, f"lost {run.lost} of {run.jobs}"),
            _text(right + 8, middle + 15, f"hogs killed {run.hogs_killed}" if run.hogs_killed else "", grey=True),
        ]
    return _svg(height, [*body, *_seconds(until, x, height - 12)])


def waits(runs: Sequence[Outcome]) -> str:
    """How many of all jobs were finished in the end and had waited no longer than so many seconds."""
    left, right, bottom, names = 60, WIDTH - 190, 280, WIDTH - 175
    waited = [_waits_of_finished(run) for run in runs]
    until = max((each[-1] for each in waited if each), default=0.0) or 1.0
    x, y = _scale(0, until * 1.02, left, right), _scale(0, 100, bottom, TOP + 6)
    body = [_text(left, 18, f"Jobs that waited no longer, and finished, % of all ({_which(runs)})", size=13)]
    for percent in (0, 25, 50, 75, 100):
        body.append(_line((left, y(percent)), (right, y(percent)), "#ddd"))
        body.append(_text(left - 6, y(percent) + 4, str(percent), anchor="end", grey=True))
    for row, (run, seconds) in enumerate(zip(runs, waited, strict=True)):
        steps = [(x(0), y(0)), *((x(wait), y(100 * (n + 1) / run.jobs)) for n, wait in enumerate(seconds))]
        steps.append((right, steps[-1][1]))
        at = TOP + 14 + row * 17
        body += [
            _tag(
                "polyline",
                points=_points(_stairs(steps)),
                fill="none",
                stroke=_colour(run),
                stroke_width="1.8",
                stroke_dasharray=_dash(run),
            ),
            _line((names, at - 4), (names + 22, at - 4), _colour(run), dash=_dash(run), width=3),
            _text(names + 28, at, run.policy, size=11),
        ]
    return _svg(bottom + 34, [*body, *_seconds(until, x, bottom + 18)])


# --- pieces ---------------------------------------------------------------------------------------------------


def _which(runs: Sequence[Outcome]) -> str:
    backend = {"virtual": "virtual time", "real": "real processes", "server": "a server"}[runs[0].backend]
    return f"{runs[0].scenario}, {backend}, seed {runs[0].seed}"


def _waits_of_finished(run: Outcome) -> list[float]:
    """From the first arrival to the start that led to an end, ascending."""
    arrived: dict[str, float] = {}
    for attempt in run.attempts:
        arrived.setdefault(attempt.job, attempt.arrived_at)
    return sorted(each.started_at - arrived[each.job] for each in run.attempts if each.fate == "finished")


def _limit_mib(runs: Sequence[Outcome]) -> int:
    try:
        return load(runs[0].scenario).limit_mib
    except (OSError, ValueError):  # of somebody's own file, when its runs are read again: what was reached
        return max(run.peak_bytes for run in runs) // MIB


def _colour(run: Outcome) -> str:
    return COLOURS.get(run.policy.partition("+")[0], "#000000")


def _dash(run: Outcome) -> str:
    return "5 3" if "+" in run.policy else "none"


def _scale(low: float, high: float, first: float, last: float) -> Scale:
    return lambda value: first + (value - low) * (last - first) / (high - low)


def _stairs(points: Iterable[Point]) -> list[Point]:
    found: list[Point] = []
    for x, y in points:
        if found:
            found.append((x, found[-1][1]))
        found.append((x, y))
    return found


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _cross(x: float, y: float) -> str:
    return _tag("path", d=f"M{x - 3:.1f} {y - 3:.1f}l6 6m-6 0l6 -6", stroke=KILL, stroke_width="1.4")


def _line(first: Point, last: Point, colour: str, *, dash: str = "none", width: float = 1) -> str:
    (x1, y1), (x2, y2) = first, last
    return _tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_dasharray=dash, stroke_width=width)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, grey: bool = False) -> str:
    start = _tag("text", x=x, y=y, text_anchor=anchor, font_size=size, fill="#666" if grey else "#222")
    return f"{start.removesuffix('/>')}>{escape(text)}</text>"


def _seconds(until: float, x: Scale, y: float) -> list[str]:
    step = next((step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500) if until / step <= 9), 1000)
    marks = [step * number for number in range(int(until / step) + 1)]
    return [_text(x(mark), y, f"{mark} s", anchor="middle", grey=True) for mark in marks]


def _tag(name: str, **attributes: float | str) -> str:
    parts = [name]
    for key, value in attributes.items():
        text = f"{value:.1f}" if isinstance(value, float) else str(value)
        parts.append(f"{key.replace('_', '-')}={quoteattr(text)}")
    return f"<{' '.join(parts)}/>"


def _svg(height: float, body: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" font-family="sans-serif">'
    background = _tag("rect", width=WIDTH, height=height, fill="#fff")
    return "\n".join([head, background, *filter(None, body), "</svg>", ""])
