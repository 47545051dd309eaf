"""Write the pages of docs/reference/, and the feed's JSON Schema that is served, from the code.

`python docs/generate.py`. A test fails when they are stale.
"""

import ast
import inspect
import itertools
import json
from pathlib import Path

from aura_actors.config import Settings, sections, to_toml
from aura_actors.edges.feed.schema import feed_schema
from aura_actors.edges.http.api import Operation
from aura_actors.edges.http.operations import OPERATIONS
from aura_actors.kernel.lifecycle import NEXT

REFERENCE = Path(__file__).parent / "reference"
SCHEMA = Path(__file__).parents[1] / "aura_actors/edges/web/static/feed.schema.json"


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {"configuration.md": configuration(), "http.md": http(), "lifecycle.md": lifecycle()}


def schema() -> str:
    """Every frame of the feed, as the daemon serves it under /static/feed.schema.json."""
    return json.dumps(feed_schema(), indent=1, ensure_ascii=False) + "\n"


def configuration() -> str:
    """Every key with its default and what it does."""
    settings = Settings(data_dir=Path("~/.local/state/aura_actors"))
    comments = _comments()
    lines: list[str] = []
    table = ""
    for line in to_toml(settings).strip().replace("  # default", "").splitlines():
        key = line.removeprefix("# ").split(" ")[0]
        if line.startswith("["):
            table = line.strip("[]")
        elif key in comments.get(table, {}):
            lines.append(f"# {comments[table][key]}")
        lines.append(line)
    keys = "\n".join(lines)
    return f"""# Configuration

Generated from `aura_actors/config/sections.py`. A TOML file (`serve --config FILE`), then the environment, then options;
the last one wins. `aura-actors config show [FILE]` prints what `serve` would use in this environment and where each
value comes from; `aura-actors config check FILE` says what is wrong with a file.

A key becomes a variable as `AURA_SECTION__KEY`, with two underscores: `AURA_ADMISSION__MEMORY_LIMIT=8GiB`,
`AURA_CLEANUP__TEMP_FILES__OLDER_THAN=2d`, `AURA_HTTP__ALLOWED_HOSTS='["box.example"]'`, and `AURA__DATA_DIR=/var/lib/aura`
for a key outside the sections. Sizes are written `"2GiB"`, `"500MB"` or `1024`; durations `"100ms"`, `"30s"`, `"15m"`,
`"1h"`, `"7d"` or `0.5`.

Client commands read `AURA_URL` and `AURA_TOKEN` instead: they ask a daemon, and its settings are its own.

```toml
{keys}

# One table for each provider with limits of its own.
[providers.OpenAI]
{_provider(comments["providers.NAME"])}
```

Tokens with a name are one table each ([what they open](../operating.md#tokens-scopes-owners)):

```toml
[[http.tokens]]
name = "ci"                    # the owner of the leases that are taken with it
scopes = ["read", "admit"]
token_file = "/etc/aura/ci.token"
```
"""


def _provider(comments: dict[str, str]) -> str:
    """A table of a provider with every key set."""
    example = sections.Provider(max_concurrent=3, requests_per_minute=500.0, tokens_per_minute=200_000.0)
    shown = to_toml(Settings(providers=sections.Providers(by_name={"OpenAI": example})))
    table = shown.split("[providers.OpenAI]\n")[1].split("\n\n")[0].replace("  # default", "")
    return "\n".join(f"# {comments[line.split(' ')[0]]}\n{line}" for line in table.splitlines())


def _comments() -> dict[str, dict[str, str]]:
    """The docstring of every field, by TOML table and key."""
    tables = {"Http": "http", "Feed": "feed", "Sampler": "sampler", "Admission": "admission", "Alerts": "alerts"}
    tables |= {
        "Intervals": "sampler.intervals",
        "Providers": "providers",
        "Cleanup": "cleanup",
        "CleanupTask": "cleanup.temp-files",
        "Log": "log",
        "Provider": "providers.NAME",
    }
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(sections)).body:
        if isinstance(node, ast.ClassDef) and node.name in tables:
            fields = found.setdefault(tables[node.name], {})
            for field, text in itertools.pairwise(node.body):
                match field, text:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                        fields[name] = " ".join(words.split())
    return found


def lifecycle() -> str:
    """The states of a supervised child, drawn from the table that the supervisor follows."""
    arrows = [
        f"    {state.name.lower()} --> {after.name.lower()}: {signal.value}"
        for (state, signal), after in NEXT.items()
        if state is not after
    ]
    rows = [f"| {state.value} | {signal.value} | {after.value} |" for (state, signal), after in NEXT.items()]
    return "\n".join(
        [
            "# The life of a supervised child",
            "",
            "Generated from `aura_actors/kernel/lifecycle.py`. What is not in the table raises and changes nothing.",
            "",
            "```mermaid",
            "stateDiagram-v2",
            *arrows,
            "```",
            "",
            "| state | signal | next |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def http() -> str:
    """Every operation with its answers."""
    rows = [
        f"| `{op.method} {op.path}` | {op.summary} | {op.scope or 'none'} | {_statuses(op)} |" for op in OPERATIONS
    ]
    return "\n".join(
        [
            "# HTTP",
            "",
            "Generated from the operations; `GET /openapi.json` (or `aura-actors openapi`) has every field. Any",
            "operation may also answer 400, 401, 403, 405, 421, 500 or 503, one with a body 408, 413, 415 or 422, and",
            "one with a name in its path 404 or 422, always as `application/problem+json`. Every 422 has a `pointer`",
            "into the body where the body is at fault.",
            "",
            "| operation | what it does | [scope](../operating.md#tokens-scopes-owners) | answers |",
            "|---|---|---|---|",
            *rows,
            "| `GET /metrics`, `GET /api/metrics/prometheus` | The Prometheus exposition. | read | 200 |",
            "| `GET /openapi.json`, `GET /docs` | The OpenAPI 3.1 document, and the same as a page. | read | 200 |",
            "| `GET /feed` | The WebSocket feed ([protocol](../feed.md)). | read | 101, 426 |",
            "",
            *BODIES,
        ]
    )


BODIES = """## Asking for a job

`POST /api/admission/jobs` takes

| field | | |
|---|---|---|
| `jobId` | required | 1 to 128 letters, digits and `._:-`; while it lives, the same request gets the same lease |
| `owner` | "anonymous" | in whose name, where no token and no unix socket tells; another owner's live id is 409 |
| `memoryBytes` | `bytes_per_job` | what the job will hold at most. The guide's name `estimatedMemoryBytes` is understood too |
| `cpuCores` | 0 | cores to reserve, to a thousandth |
| `requiresGpu` | false | short for `gpu.required` |
| `gpu` | none | `required` or `preferred`, `count`, `memoryBytes` on each device, `exclusive` |
| `scratchBytes`, `units` | 0, none | space in the scratch directory; amounts of what `[admission.units]` names |
| `providers` | none | slots that the job holds while it runs: `name`, `tokens` |
| `priority`, `kind` | "normal", none | low, normal, high; what sort of job, for statistics |
| `waitSeconds` | 0 | how long to wait for room, an hour at most |
| `ttlSeconds` | `lease_ttl` | how long the lease lives without a renewal; shortened to `max_lease_ttl` |
| `maxRuntimeSeconds` | none | the lease ends then even if it is renewed |
| `pid` | none | the lease ends with this process, and what its tree uses counts as the job's |
| `holdPaths` | none | absolute paths that cleanup leaves alone while the job waits and while it runs |

and answers

| status | |
|---|---|
| 201, 200 | the lease: a new one, or the one that the same request has already |
| 202 | a ticket: it waits still at the end of `waitSeconds`. The place is kept until `expiresAt`, and passed over while nobody waits at it; the same request again waits on |
| 409 | another owner holds the id |
| 410 | the place was given up or taken away while it waited |
| 422 | the body is wrong, or (a type that ends in `/never-fits`) more than this machine has, or the id lives with another specification |
| 429 | it would have to wait and `waitSeconds` is 0, or the queue is full; `reasons` say what is short, `Retry-After` when to ask again |
| 503 | nothing new is admitted: an operator drains, or the daemon ends |

Nothing is sent while a request waits, and a client that closes its connection leaves the queue. A proxy in between
must allow for that long; where it does not, wait for less and post again.

`POST .../renew` (`{"ttlSeconds": 60}`, new amounts, or no body), `POST .../ready` and `DELETE` need the header
`Aura-Lease: <leaseId>`; without it, or with another one, 403, and nothing changes. A lease that has ended is 410, so
releasing twice is harmless. Renew at a third of `ttlSeconds`, and go on trying where nobody answers or the answer is
503: the lease may be there yet; 410 says that it is gone. `DELETE` with `Aura-Ticket: <ticket>` gives a place in the queue up.

A batch, `{"operations": [{"op": "acquire", ...}, {"op": "renew", "jobId", "leaseId", ...}, {"op": "release", "jobId",
"leaseId"}, {"op": "preflight", ...}]}`, carries its operations out in order and writes them at once; each has the
status and body that it would have had alone, and nothing in it waits.

A provider's slot takes `owner`, `tokens` (expected), `waitSeconds`, `ttlSeconds` and `pid`. One that still waits at the
end leaves the queue: 429. `DELETE` of a slot takes `{"outcome": "ok" | "throttled" | "timeout", "tokens": used}`.

`POST /api/cleanup/{task}/run` takes `{"dryRun": true}`, and `?wait=1` to answer with the report; else the run's id is for
`GET /api/cleanup/runs/{runId}`, which is 202 until there is a report, and for `undo` and `stop`.
""".splitlines()


def _statuses(operation: Operation) -> str:
    return ", ".join(str(status) for status in sorted(operation.responses))


if __name__ == "__main__":
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
    SCHEMA.write_text(schema(), encoding="utf-8")
