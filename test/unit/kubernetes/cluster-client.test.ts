import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { clusterClients } from "../../../lib/kubernetes/cluster-client.ts";
import { QUIET } from "../aws/records.ts";

const CALL = {
  cluster: "east",
  verb: "get",
  name: "default",
  kind: { group: "", version: "v1", kind: "Namespace", resource: "namespaces" },
} as const;

async function failureOf(work: Promise<unknown>): Promise<SyncError> {
  const error: unknown = await work.then(
    () => assert.fail("it was answered"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SyncError);
  return error;
}

describe("credentials of a cluster", () => {
  const late = () =>
    clusterClients({ clock: () => 0, log: QUIET, timeoutMs: 20, resolve: () => new Promise<never>(() => undefined) });

  it("that come too late are no proof that the cluster is out of reach", async () => {
    const clients = late();
    // Timers of signals keep no process alive.
    const alive = setTimeout(() => undefined, 10_000);
    const error = await failureOf(clients.send(CALL, new AbortController().signal));
    clearTimeout(alive);
    assert.deepEqual([error.code, error.circuit], ["DEADLINE_EXCEEDED", undefined]);
    assert.equal(error.message, "cluster east: its credentials did not come in time");
    clients.close();
  });

  it("that fail are the failure, with the circuit of who gives them", async () => {
    const circuit = "vault:https://vault.example.com";
    const away = new SyncError("VAULT_UNAVAILABLE", "cluster east: Vault is away", { circuit });
    const clients = clusterClients({ clock: () => 0, log: QUIET, resolve: () => Promise.reject(away) });
    const error = await failureOf(clients.send(CALL, new AbortController().signal));
    assert.deepEqual([error.code, error.circuit, error.message], [away.code, circuit, away.message]);
    clients.close();
  });
});
