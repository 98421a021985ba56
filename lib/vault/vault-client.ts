import { circuitOfVault } from "../circuits.ts";
import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { VaultTarget } from "../ports/vault.ts";
import type { SecretValue } from "../secret-value.ts";
import type { JsonObject } from "../util/json.ts";
import { type SlotGrant, type SlotLimits, type Slots, slots } from "../util/slots.ts";
import type { BudgetOf } from "../vault-budget.ts";
import { headerRefusal } from "../vault-headers.ts";
import { NOTHING_NAMED, type ReachOf, type VaultReach } from "../vault-reach.ts";
import type { VaultAnswer } from "./answer.ts";
import { type Asked, describe, printableAddress } from "./asked.ts";
import type { Connection, ConnectionOptions } from "./connection.ts";
import { limitedAsk } from "./limited-ask.ts";
import { openConnections } from "./open-connections.ts";
import { VERSION } from "./version.ts";

/** The longest time-out of an address that never answered, whatever its VaultConnection says: it may not be a Vault. */
const STRANGER_MS = 10 * SECOND_MS;

/** A request that takes longer gives up its slot, so that another one may be sent. */
const PATIENCE_MS = SECOND_MS;

/** A Vault that answered within this time is known to be up. */
const KNOWN_MS = MINUTE_MS;

/** The maximum number of addresses in memory: declarations name them. */
const MAX_KEPT = 1_000;

export interface VaultQuestion {
  readonly purpose: Asked["purpose"];
  readonly method: Asked["method"];
  /** Independent of the method: a GET may issue a credential. */
  readonly repeatable: boolean;
  /** Without `/v1/`, percent-encoded. */
  readonly path: string;
  /** The path in messages, where `path` has an id in it. */
  readonly described?: string;
  /** Includes its question mark. */
  readonly query?: string;
  readonly namespace?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: SecretValue;
  readonly body?: JsonObject;
  /** A node that has not this state yet answers 412. */
  readonly index?: string | undefined;
  /** Not sent after this time. */
  readonly startBy?: EpochMs;
}

/** Sends requests to every Vault. Returns answers of any status; throws a SyncError for failures below HTTP. */
export interface VaultClient {
  ask(target: VaultTarget, question: VaultQuestion, signal: AbortSignal): Promise<VaultAnswer>;
  /** Whether this Vault answered any request within the last minute. */
  isKnown(target: VaultTarget): boolean;
  /** Fails all requests that wait for this Vault: each would only wait until its own time-out. */
  refuse(outage: SyncError): void;
  close(): Promise<void>;
}

/** One Vault, for all ways to reach it. */
interface Address {
  readonly turns: Slots;
  answeredAt?: EpochMs;
}

export interface VaultClientOptions extends Pick<ConnectionOptions, "openSocket"> {
  readonly clock: Clock;
  /** Concurrent requests to each Vault. */
  readonly maxConnectionsPerVault: number;
  /** Which Vaults each cluster's resources may name. Missing: only public and private hosts. */
  readonly reachOf?: ReachOf | undefined;
  /** How many requests this process may send to a Vault. Missing: any number. */
  readonly budgetOf?: BudgetOf | undefined;
  /** In ms; default: STRANGER_MS and PATIENCE_MS. */
  readonly strangerMs?: number;
  readonly patienceMs?: number;
}

export function vaultClient(options: VaultClientOptions): VaultClient {
  const { clock, reachOf = () => NOTHING_NAMED, strangerMs = STRANGER_MS, patienceMs = PATIENCE_MS } = options;
  const limits = limitsOf(options.maxConnectionsPerVault);
  const connections = openConnections({ ...options, connections: limits.inAll });
  const addresses = new Map<string, Address>();
  const limited = limitedAsk(clock, options.budgetOf);
  const addressOf = (circuit: string): Address => {
    const known = addresses.get(circuit);
    if (known !== undefined) return known;
    if (addresses.size >= MAX_KEPT) forgetIdle(addresses);
    const made: Address = { turns: slots(limits) };
    addresses.set(circuit, made);
    return made;
  };
  return {
    async ask(target, question, signal) {
      const asked = askedOf(target, question);
      const address = addressOf(asked.circuit);
      const { place = "" } = target;
      const work = async (turn: SlotGrant) => {
        if (clock() > (question.startBy ?? Number.POSITIVE_INFINITY)) throw startsTooLate(asked);
        const connection = connections.of(target, asked);
        const timer = setTimeout(turn.stepAside, patienceMs);
        try {
          const timeoutMs = connection.hasAnswered ? target.timeoutMs : Math.min(target.timeoutMs, strangerMs);
          const reach = reachOf(target.cluster);
          const answer = await exchange(
            connection,
            { target: { ...target, timeoutMs }, question, asked, reach },
            signal,
          );
          connections.answered(connection);
          address.answeredAt = clock();
          return answer;
        } catch (error) {
          connections.unanswered(target, connection);
          throw error;
        } finally {
          clearTimeout(timer);
        }
      };
      try {
        return await limited(target, asked, () => address.turns.run(place, work, signal), signal);
      } catch (error) {
        throw error instanceof SyncError || !signal.aborted ? error : outOfTime(asked);
      }
    },
    isKnown(target) {
      const { answeredAt } = addresses.get(circuitOfVault(target.address)) ?? {};
      return answeredAt !== undefined && clock() - answeredAt < KNOWN_MS;
    },
    refuse(outage) {
      addresses.get(outage.circuit ?? "")?.turns.refuse(neverSent(outage));
    },
    close: () => connections.close(),
  };
}

/** The outage for requests that still wait: whatever became of the one that met it, Vault has not seen these. */
function neverSent({ code, message, circuit, cause }: SyncError): SyncError {
  return new SyncError(code, message, { outcome: "none", cause, ...(circuit === undefined ? {} : { circuit }) });
}

function outOfTime(asked: Asked): SyncError {
  return new SyncError("DEADLINE_EXCEEDED", `${describe(asked)} ran out of time`, { outcome: "none" });
}

/** It waited for its turn, and nothing was sent. */
export function startsTooLate(asked: Asked): SyncError {
  return new SyncError("DEADLINE_EXCEEDED", `${describe(asked)} was not sent: its turn came too late`, {
    outcome: "none",
  });
}

/** One namespace may use three quarters; at most four times `atOnce` requests run, those without a slot included. */
function limitsOf(atOnce: number): SlotLimits {
  return { atOnce, ofPlace: Math.max(1, Math.floor(atOnce * 0.75)), inAll: atOnce * 4 };
}

/** Forgets addresses with no requests. */
function forgetIdle(addresses: Map<string, Address>): void {
  for (const [circuit, { turns }] of addresses) if (turns.isIdle()) addresses.delete(circuit);
}

export function askedOf(target: VaultTarget, question: VaultQuestion): Asked {
  const { method, path, described = path, namespace, purpose, repeatable } = question;
  const { address } = target;
  const place = { address: printableAddress(address), circuit: circuitOfVault(address), namespace };
  return { ...place, method, path: described, purpose, repeatable };
}

interface Exchange {
  readonly target: VaultTarget;
  readonly question: VaultQuestion;
  readonly asked: Asked;
  readonly reach: VaultReach;
}

async function exchange(
  { api }: Connection,
  { target, question, asked, reach }: Exchange,
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
      reach,
      signal,
    });
  } catch (error) {
    const answer = refusalOf(error);
    if (answer === undefined) throw error;
    return answer;
  }
}

/** node-vault throws for any status but 200 and 204, with our transport's answer inside. */
function refusalOf(error: unknown): VaultAnswer | undefined {
  if (!(error instanceof Error) || !("response" in error)) return undefined;
  return (error.response as { body: VaultAnswer }).body;
}

/**
 * Our headers win over those of VaultConnection and VaultAuth, in any spelling; a header of ours that we don't send
 * can't be declared either.
 */
function headersOf(target: VaultTarget, question: VaultQuestion): Record<string, string> {
  const declared = Object.entries({ ...target.headers, ...question.headers }).filter(
    ([name]) => headerRefusal(name) === undefined,
  );
  return {
    ...Object.fromEntries(declared.map(([name, value]) => [name.toLowerCase(), value])),
    accept: "application/json",
    "user-agent": `keyferry/${VERSION}`,
    // Listeners with require_request_header refuse requests without it.
    "x-vault-request": "true",
    ...(question.body && { "content-type": contentTypeOf(question) }),
    ...(question.namespace && { "x-vault-namespace": question.namespace }),
    ...(question.index && { "x-vault-index": question.index }),
    ...(question.token && { "x-vault-token": question.token.reveal().toString("utf8") }),
  };
}

/** Vault refuses a patch of any other type. */
function contentTypeOf({ method }: VaultQuestion): string {
  return method === "PATCH" ? "application/merge-patch+json" : "application/json";
}
