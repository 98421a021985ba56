import { type Clock, SECOND_MS } from "../clock.ts";
import type { Metrics } from "../ports/telemetry.ts";
import { boundedLabels } from "../util/bounded-labels.ts";
import type { VaultClient, VaultQuestion } from "./vault-client.ts";

/** The operation under which VSO counts a request; VSO has no probes. */
function operationOf({ purpose, method, path }: VaultQuestion): string | undefined {
  if (purpose === "probe") return undefined;
  if (purpose === "login") return "login";
  if (purpose === "token" || purpose === "lease")
    return /(?:renew-self|leases\/renew)$/.test(path) ? "renew" : undefined;
  return method === "GET" ? "read" : "write";
}

/** Counts and times each request to Vault by operation and VaultConnection. */
export function countedClient(client: VaultClient, clock: Clock, metrics: Metrics | undefined): VaultClient {
  if (metrics === undefined) return client;
  const bounded = boundedLabels();
  return {
    async ask(target, question, signal) {
      const operation = operationOf(question);
      if (operation === undefined) return client.ask(target, question, signal);
      const labels = { operation, ...bounded({ vault_connection: target.connection ?? "" }) };
      const askedAt = clock();
      let isFailed = true;
      try {
        const answer = await client.ask(target, question, signal);
        isFailed = answer.status >= 400;
        return answer;
      } finally {
        metrics.count("vso_client_operations_total", labels);
        if (isFailed) metrics.count("vso_client_operations_errors_total", labels);
        metrics.observe("vso_client_operations_time_seconds", labels, (clock() - askedAt) / SECOND_MS);
      }
    },
    isKnown: (target) => client.isKnown(target),
    refuse: (outage) => client.refuse(outage),
    close: () => client.close(),
  };
}
