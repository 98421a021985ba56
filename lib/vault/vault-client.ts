import { circuitOfVault } from "../circuits.ts";
import { type Clock, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { VaultTarget } from "../reconcile/ports.ts";
import type { SecretValue } from "../secret-value.ts";
import { type Slots, slots } from "../slots.ts";
import { VERSION } from "../version.ts";
import type { VaultAnswer } from "./answer.ts";
import { type Asked, describe, printableAddress } from "./asked.ts";
import { type Connection, connect, connectionKey } from "./connection.ts";

/** After this long without a request, a connection's TLS settings may be gone for good: a new CA, a deleted VaultConnection. */
const IDLE_MS = 10 * MINUTE_MS;

export interface VaultQuestion {
  readonly purpose: Asked["purpose"];
  readonly method: Asked["method"];
  /** Behind `/v1/`, percent-encoded. */
  readonly path: string;
  /** With its question mark. */
  readonly query?: string;
  readonly namespace?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: SecretValue;
  readonly body?: Readonly<Record<string, string>>;
}

/** One request function for every Vault. Answers of any status are returned; what fails below HTTP is a SyncError. */
export interface VaultClient {
  ask(target: VaultTarget, question: VaultQuestion, signal: AbortSignal): Promise<VaultAnswer>;
  /** Whoever waits for a turn at the Vault that this outage is of would wait in vain, one time-out after the other. */
  refuse(outage: SyncError): void;
  close(): Promise<void>;
}

interface Held extends Connection {
  usedAt: number;
}

export function vaultClient(options: { readonly clock: Clock; readonly maxConnectionsPerVault: number }): VaultClient {
  const { clock, maxConnectionsPerVault } = options;
  const connections = new Map<string, Held>();
  const queues = new Map<string, Slots>();
  const connectionOf = (target: VaultTarget, asked: Asked): Held => {
    const key = connectionKey(target);
    const known = connections.get(key);
    if (known !== undefined) return known;
    for (const [other, { agent, usedAt }] of connections) {
      if (clock() - usedAt < IDLE_MS) continue;
      connections.delete(other);
      agent.close().catch(() => {});
    }
    const made: Held = { ...connect(target, asked, maxConnectionsPerVault), usedAt: clock() };
    connections.set(key, made);
    return made;
  };
  const queueOf = (address: string): Slots => {
    const queue = queues.get(address) ?? slots(maxConnectionsPerVault);
    queues.set(address, queue);
    return queue;
  };
  return {
    async ask(target, question, signal) {
      const asked = askedOf(target, question);
      const queue = queueOf(asked.circuit);
      const work = async () => {
        const connection = connectionOf(target, asked);
        connection.usedAt = clock();
        return exchange(connection, target, question, asked, signal);
      };
      try {
        return await queue.run(work, signal);
      } catch (error) {
        if (error instanceof SyncError || !signal.aborted) throw error;
        throw new SyncError("DEADLINE_EXCEEDED", `${describe(asked)} was given up: no time left`);
      }
    },
    refuse(outage) {
      queues.get(outage.circuit ?? "")?.refuse(outage);
    },
    async close() {
      const held = [...connections.values()];
      connections.clear();
      await Promise.all(held.map(({ agent }) => agent.destroy()));
    },
  };
}

export function askedOf(target: VaultTarget, question: VaultQuestion): Asked {
  const { method, path, namespace, purpose } = question;
  const { address } = target;
  return { address: printableAddress(address), circuit: circuitOfVault(address), namespace, method, path, purpose };
}

async function exchange(
  { api }: Connection,
  target: VaultTarget,
  question: VaultQuestion,
  asked: Asked,
  signal: AbortSignal,
): Promise<VaultAnswer> {
  try {
    return await api.request({
      path: `/${question.path}${question.query ?? ""}`,
      method: question.method,
      headers: headersOf(target, question),
      ...(question.body && { json: question.body }),
      asked,
      timeoutMs: target.timeoutMs,
      signal,
    });
  } catch (error) {
    const answer = refusalOf(error);
    if (answer === undefined) throw error;
    return answer;
  }
}

/** node-vault throws what is not 200 or 204; the answer of our transport is in there. */
function refusalOf(error: unknown): VaultAnswer | undefined {
  if (!(error instanceof Error) || !("response" in error)) return undefined;
  return (error.response as { body: VaultAnswer }).body;
}

/** Ours count over those of VaultConnection and VaultAuth, however these are spelled. */
function headersOf(target: VaultTarget, question: VaultQuestion): Record<string, string> {
  const declared = Object.entries({ ...target.headers, ...question.headers });
  return {
    ...Object.fromEntries(declared.map(([name, value]) => [name.toLowerCase(), value])),
    accept: "application/json",
    "user-agent": `keyferry/${VERSION}`,
    // Listeners with require_request_header refuse requests without it.
    "x-vault-request": "true",
    ...(question.body && { "content-type": "application/json" }),
    ...(question.namespace && { "x-vault-namespace": question.namespace }),
    ...(question.token && { "x-vault-token": question.token.reveal().toString("utf8") }),
  };
}
