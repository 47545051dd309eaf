"""What HTTP costs by itself: the same server and framework with a route that reads a body and answers at once.

`python -m benchmarks.http_empty PORT` serves it until it is ended.
"""

import sys
from functools import partial

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import Response, request
from quart_trio import QuartTrio

app = QuartTrio("empty")
ANSWER = b'{"jobId":"the same length as the answer to an acquire"}'


@app.route("/api/admission/jobs", methods=["POST"])
async def begin() -> Response:
    """Where the daemon grants."""
    await request.get_data()
    return Response(ANSWER, status=201, content_type="application/json")


@app.route("/api/admission/jobs/<job_id>", methods=["DELETE"])
async def end(job_id: str) -> Response:
    """Where the daemon takes back."""
    await request.get_data()
    return Response(b"", status=204)


if __name__ == "__main__":
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.accesslog = None
    trio.run(partial(serve, app, config))
