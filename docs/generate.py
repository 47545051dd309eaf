"""Write the pages of docs/reference/ from the code: `python docs/generate.py`. A test fails when they are stale."""

from pathlib import Path

from aura_actors.config import Settings, to_toml
from aura_actors.edges.http.api import Operation
from aura_actors.edges.http.operations import OPERATIONS

REFERENCE = Path(__file__).parent / "reference"


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {"configuration.md": configuration(), "http.md": http()}


def configuration() -> str:
    """Every key with its default."""
    settings = Settings(data_dir=Path("~/.local/state/aura_actors"))
    keys = to_toml(settings).strip().replace("  # default", "")
    return f"""# Configuration

Generated from `aura_actors/config/sections.py`; `aura-actors config show` prints the values in force and where each
came from. A TOML file (`serve --config FILE`), then the environment, then options; the last one wins.

A key becomes a variable as `AURA_SECTION__KEY`: `AURA_ADMISSION__MEMORY_LIMIT=8GiB`,
`AURA_CLEANUP__TEMP_FILES__OLDER_THAN=2d`, `AURA__DATA_DIR=/var/lib/aura` for a key outside the sections. Sizes are
written `"2GiB"`, `"500MB"` or `1024`; durations `"100ms"`, `"30s"`, `"15m"`, `"1h"`, `"7d"` or `0.5`.

```toml
{keys}
```
"""


def http() -> str:
    """Every operation with its answers."""
    rows = [f"| `{op.method} {op.path}` | {op.summary} | {_statuses(op)} |" for op in OPERATIONS]
    return "\n".join(
        [
            "# HTTP",
            "",
            "Generated from the operations; `GET /openapi.json` (or `aura-actors openapi`) has every field. Any",
            "operation may also answer 401, 403, 421 or 503, and one with a body 400, 413, 415 or 422, always as",
            "`application/problem+json`.",
            "",
            "| operation | what it does | answers |",
            "|---|---|---|",
            *rows,
            "| `GET /metrics`, `GET /api/metrics/prometheus` | The Prometheus exposition. | 200 |",
            "| `GET /openapi.json` | The OpenAPI 3.1 document. | 200 |",
            "| `GET /feed` | The WebSocket feed ([protocol](../feed.md)). | 101, 426 |",
            "",
        ]
    )


def _statuses(operation: Operation) -> str:
    return ", ".join(str(status) for status in sorted(operation.responses))


if __name__ == "__main__":
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
