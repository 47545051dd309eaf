/*
 * Providers of paid calls: slots in use, and what is left of the budgets of this minute.
 */
import { $, bar, list, orEmpty } from "../dom.js";
import { count, known, share } from "../words.js";

export function drawProviders({ providers }) {
  orEmpty("providers", providers.length > 0, "No provider has been used.");
  list($("providers"), "t-bar", providers, (fields, provider) => bar(fields, {
    name: provider.name, value: `${count(provider.active)} of ${count(provider.maxConcurrent)} slots`,
    label: `${provider.name} slots in use`, fraction: share(provider.active, provider.maxConcurrent),
    left: budgets(provider) || `${count(provider.grantedTotal)} granted · ${count(provider.deniedTotal)} denied`,
    right: provider.queued ? `${count(provider.queued)} waiting` : "",
  }), { key: ({ name }) => name });
}

function budgets({ requestsPerMinute, requestsAvailable, tokensPerMinute, tokensAvailable }) {
  return [
    known(requestsPerMinute) && `${count(requestsAvailable)} of ${count(requestsPerMinute)} calls left`,
    known(tokensPerMinute) && `${count(tokensAvailable)} of ${count(tokensPerMinute)} tokens`,
  ].filter(Boolean).join(" · ");
}
