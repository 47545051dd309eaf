"""Write the pages of docs/reference/ from the code: `python docs/generate.py`. A test fails when they are stale."""

import ast
import inspect
import itertools
from pathlib import Path

from aura_actors.config import Settings, sections, to_toml
from aura_actors.edges.http.api import Operation
from aura_actors.edges.http.operations import OPERATIONS
from aura_actors.kernel.lifecycle import NEXT

REFERENCE = Path(__file__).parent / "reference"


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {"configuration.md": configuration(), "http.md": http(), "lifecycle.md": lifecycle()}


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

# One table for each provider with a limit of its own.
[providers.OpenAI]
max_concurrent = 3
```

Tokens with a name are one table each ([what they open](../operating.md#tokens-scopes-owners)):

```toml
[[http.tokens]]
name = "ci"                    # the owner of the leases that are taken with it
scopes = ["read", "admit"]
token_file = "/etc/aura/ci.token"
```
"""


def _comments() -> dict[str, dict[str, str]]:
    """The docstring of every field, by TOML table and key."""
    tables = {"Http": "http", "Feed": "feed", "Sampler": "sampler", "Admission": "admission", "Alerts": "alerts"}
    tables |= {
        "Intervals": "sampler.intervals",
        "Providers": "providers",
        "Cleanup": "cleanup",
        "CleanupTask": "cleanup.temp-files",
        "Log": "log",
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
            "operation may also answer 401, 403, 421 or 503, and one with a body 400, 413, 415 or 422, always as",
            "`application/problem+json`.",
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


BODIES = """## The body of an acquire

| field | | |
|---|---|---|
| `jobId` | required | 1 to 128 letters, digits and `._:-`; while it lives, the same request gets the same lease |
| `memoryBytes` | integer | what the job will hold at most; `[admission] bytes_per_job` where it is missing. The guide's name `estimatedMemoryBytes` is understood too |
| `requiresGpu` | false | this version knows no GPU, so true is answered 422 never-fits |
| `owner` | "anonymous" | another owner's live id is 409. Owners are trusted, not checked |
| `ttlSeconds` | `lease_ttl` | how long the lease lives without a renewal; shortened to `max_lease_ttl` |
| `priority`, `kind` | "normal", none | low, normal, high; what sort of job. Shown; there is no queue that would use them yet |
| `waitSeconds` | 0 | accepted, and without effect: there is no queue yet, a job that would wait gets 429 |

Renew (`{"ttlSeconds": 60}` or no body) and `DELETE` need the header `Aura-Lease: <leaseId>`; without it, or with
another one, 403. A lease that has ended is 410, so releasing twice is harmless. A slot takes `owner` and `ttlSeconds`;
`POST /api/cleanup/{task}/run` takes `{"dryRun": true}`, and `?wait=1` to answer with the report.
""".splitlines()


def _statuses(operation: Operation) -> str:
    return ", ".join(str(status) for status in sorted(operation.responses))


if __name__ == "__main__":
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
