"""Calls to a language model under the provider's limits: slots, requests and tokens per minute are the daemon's.

    python examples/llm_caller.py http://127.0.0.1:9000/v1/complete "first question" "second question"

Each call reserves an estimate of its tokens and settles it to what was used; 429 and 503 are told to the daemon,
which lowers the provider's limit where `adaptive = true`. A call that fails loses no
other's answer. AURA_URL says where the daemon is.
"""

import argparse
import asyncio
import sys

import httpx2

import aura_actors

PROVIDER = "OpenAI"
ANSWER_TOKENS = 200
ATTEMPTS = 5
THROTTLED = (429, 503)


async def call(aura: aura_actors.Aura, client: httpx2.AsyncClient, url: str, prompt: str) -> str:
    """One answer. Raises RuntimeError where the provider refuses every attempt."""
    estimate = len(prompt) // 4 + ANSWER_TOKENS
    for attempt in range(ATTEMPTS):
        async with aura.provider(PROVIDER, tokens=estimate, wait="10m") as slot:
            answer = await client.post(url, json={"prompt": prompt, "max_tokens": ANSWER_TOKENS})
            if answer.status_code not in THROTTLED:
                answer.raise_for_status()
                said = answer.json()
                slot.settle(tokens=said["tokens"], outcome="ok")
                return str(said["text"])
            slot.settle(tokens=0, outcome="throttled")
        await asyncio.sleep(0.1 * 2**attempt)
    raise RuntimeError(f"the provider refused {prompt!r} {ATTEMPTS} times")


async def main() -> int:
    """All of them at once: the daemon keeps the order. 1 where one of them failed."""
    parser = argparse.ArgumentParser(description="Ask a language model, within the limits of its provider.")
    parser.add_argument("url")
    parser.add_argument("prompts", nargs="+")
    options = parser.parse_args()
    async with aura_actors.connect() as aura, httpx2.AsyncClient(timeout=60) as client:
        calls = [call(aura, client, options.url, prompt) for prompt in options.prompts]
        ends = await asyncio.gather(*calls, return_exceptions=True)
    for prompt, end in zip(options.prompts, ends, strict=True):
        if isinstance(end, BaseException):
            print(f"{prompt}: {' '.join(str(end).split())}", file=sys.stderr)
        else:
            print(end)
    return int(any(isinstance(end, BaseException) for end in ends))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
