/*
 * Who looks at the page: the token, kept for this tab only, and what it opens. Owns every HTTP request of the page;
 * refuses to know what they are for. URLs are relative, so the page works below any path of a reverse proxy.
 */

/** Where the token is kept; where the browser forbids storage, for as long as the page is open. */
const kept = (() => { try { return sessionStorage; } catch { return {}; } })();

export const token = () => kept.auraToken ?? null;

export function keepToken(text) {
  if (text === null) delete kept.auraToken;
  else kept.auraToken = text;
}

/** `{ok, status, body, detail}`: `detail` is one sentence that says why it was not carried out. Raises nothing. */
export async function ask(method, path, body) {
  const headers = {};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const answer = await fetch(new URL(path, document.baseURI), {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    const told = text ? JSON.parse(text) : null;
    return { ok: answer.ok, status: answer.status, body: told, detail: answer.ok ? "" : told?.detail ?? told?.title };
  } catch {
    return { ok: false, status: 0, body: null, detail: "The server did not answer." };
  }
}

/** What we may do here, null where nobody said; all where the server is too old to say: it refuses what we may not. */
export async function scopes() {
  const answer = await ask("GET", "api/access");
  if (answer.status === 404) return ["read", "admit", "operate"];
  if (answer.status === 0 || answer.status >= 500) return null;
  return answer.body?.scopes ?? [];
}
