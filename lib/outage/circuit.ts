import { clusterOfCircuit, isOutage, isProbeDue, placeOfSuspension, vaultOfCircuit } from "../circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { DISPOSITIONS, OUTAGE_CODES, SyncError } from "../errors.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Circuit } from "../ports/store.ts";
import type { VaultTarget } from "../ports/vault.ts";
import type { CaCache } from "../references/ca-cache.ts";
import { mustBeOurs, observeOperator } from "../references/operator-namespace.ts";
import { nudgeReferring } from "../references/referring.ts";
import { backOff } from "../schedule/back-off.ts";
import { vsoProbe } from "../vso/stand-back/vso.ts";
import { CACHE_MS, closeCircuit } from "./close-circuit.ts";
import { evidence } from "./evidence.ts";
import { addressAlone, vaultOutage } from "./vault-outage.ts";
import { vaultTargets } from "./vault-targets.ts";

/** The first probe, and the longest pause between probes. */
const FIRST_PROBE_MS = SECOND_MS;
const MAX_PROBE_PAUSE_MS = 10 * SECOND_MS;
/** For suspensions, which last longer than outages. */
const MAX_STAND_BACK_PAUSE_MS = 15 * SECOND_MS;
const PROBE_LEASE_MS = 30 * SECOND_MS;
/** Each search for the ways to a Vault starts at a random one of so many. */
const ROTATIONS = 1_000;
/** A Vault's circuit without references for so long is closed; a new reference may still be unread. */
const FORGOTTEN_MS = MINUTE_MS;

export interface CircuitOpener {
  /** Writes an outage once, for all syncs that meet it, and requests its first probe. */
  open(error: SyncError): Promise<void>;
}

export interface Circuits extends CircuitOpener {
  /**
   * Classifies a sync's failure. If the Vault or cluster does not answer us either, it is an outage, and opens the
   * circuit; otherwise only this sync failed. Other errors are unchanged.
   */
  classify(error: SyncError, target: VaultTarget | undefined, signal: AbortSignal): Promise<SyncError>;
  /** The open circuit among these, if any. */
  openAmong(ids: readonly (string | undefined)[]): Promise<Circuit | undefined>;
  /** The probe of a message; harmless when it comes twice, late, or after the circuit was closed. */
  probe(id: string, signal: AbortSignal): Promise<void>;
  /** Probes each circuit that is due; closing one wakes its syncs. */
  probeDue(signal: AbortSignal): Promise<void>;
}

type Deps = Pick<
  ReconcileDeps,
  "leases" | "queue" | "vault" | "clusters" | "fleet" | "installation" | "clock" | "random" | "log" | "metrics"
>;

/** One probe for all syncs of a Vault or cluster that is out of reach. */
export function circuits(deps: Deps, ca: CaCache): Circuits {
  let known: { at: EpochMs; open: Promise<readonly Circuit[]> } | undefined;
  const read = (): Promise<readonly Circuit[]> => {
    const now = deps.clock();
    if (known && now - known.at < CACHE_MS && now >= known.at) return known.open;
    known = { at: now, open: deps.leases.circuits() };
    known.open.catch(() => {
      known = undefined;
    });
    return known.open;
  };
  const opener = circuitOpener(deps, () => {
    known = undefined;
  });
  const classify = evidence(deps, ca, (circuit) => vaultTargets(deps, circuit, Math.floor(deps.random() * ROTATIONS)));
  const openAmong: Circuits["openAmong"] = async (ids) => {
    const open = await read();
    return open.length === 0 ? undefined : open.find((circuit) => ids.includes(circuit.id));
  };
  return {
    openAmong,
    open: opener.open,
    async classify(error, target, signal) {
      const { circuit } = error;
      if (circuit === undefined || !OUTAGE_CODES.has(error.code)) return error;
      if (await openAmong([circuit])) return error;
      const verdict = await classify({ circuit, error, target }, signal);
      if (verdict.outage) {
        await opener.open(verdict.outage);
        deps.vault.giveUp(verdict.outage);
      }
      return verdict.error;
    },
    async probe(id, signal) {
      const found = (await deps.leases.circuits()).find((circuit) => circuit.id === id);
      if (!found || !isProbeDue(found, deps.clock())) return;
      await probe(deps, ca, found, signal);
      known = undefined;
    },
    async probeDue(signal) {
      const now = deps.clock();
      const open = await deps.leases.circuits();
      const due = open.filter((circuit) => isProbeDue(circuit, now));
      const results = await Promise.allSettled(due.map((circuit) => probe(deps, ca, circuit, signal)));
      // Reported after all probes: a failed write of one circuit must not prevent the other probes.
      for (const result of results) if (result.status === "rejected") throw result.reason;
      if (open.length > 0) known = undefined;
    },
  };
}

/** For workers that meet outages and never probe. */
export function circuitOpener(
  deps: Pick<Deps, "leases" | "queue" | "clock" | "log">,
  onOpened: () => void = () => undefined,
): CircuitOpener {
  return {
    async open(error) {
      if (error.circuit === undefined) return;
      const now = deps.clock();
      const circuit: Circuit = {
        id: error.circuit,
        code: error.code,
        message: error.message,
        since: now,
        attempts: 1,
        fence: now,
        probeAt: now + FIRST_PROBE_MS,
      };
      const isNew = await deps.leases.openCircuit(circuit);
      onOpened();
      if (!isNew) return;
      deps.log.warn("circuit-opened", { circuit: circuit.id, code: error.code, message: error.message });
      await sendProbe(deps, circuit.id, circuit.probeAt);
      // A sealed Vault answers, so its connections' status stays.
      if (circuit.code === "VAULT_UNAVAILABLE") await wakeConnections(deps, circuit.id);
    },
  };
}

/** Wakes this Vault's VaultConnections, to show that it is out of reach; closing the circuit wakes them again. */
async function wakeConnections(deps: Pick<Deps, "leases" | "queue" | "clock">, id: string): Promise<void> {
  await nudgeReferring(deps, `circuit:${id}`, { verify: false });
}

/** Ticks send overdue probes, so that a lost message costs a minute. */
async function sendProbe(deps: Pick<Deps, "queue" | "log">, id: string, at: EpochMs): Promise<void> {
  try {
    await deps.queue.send([{ kind: "probe", circuit: id, at }]);
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    deps.log.warn("probe-not-sent", { circuit: id, code: error.code });
  }
}

async function probe(deps: Deps, ca: CaCache, circuit: Circuit, signal: AbortSignal): Promise<void> {
  const now = deps.clock();
  const claimed = await deps.leases.claimProbe(circuit, { now, until: now + PROBE_LEASE_MS });
  if (!claimed) return;
  deps.metrics.count("keyferry_circuit_probes_total", { circuit: circuit.id });
  try {
    await ask(deps, ca, circuit, signal);
  } catch (error) {
    await keepOpen(deps, claimed, error instanceof SyncError ? error : crashed(deps, circuit, error));
    return;
  }
  await closeCircuit(deps, claimed);
}

/** A bug proves nothing about the end: it is probed again. */
function crashed(deps: Deps, { id, code, message }: Circuit, error: unknown): SyncError {
  deps.log.error("probe-crashed", { circuit: id, error: error instanceof Error ? error.name : typeof error });
  return new SyncError(code, message);
}

/**
 * Probes a circuit. Closes it without a probe if nothing refers to the Vault any more, or the cluster left the fleet.
 */
async function ask(deps: Deps, ca: CaCache, circuit: Circuit, signal: AbortSignal): Promise<void> {
  const cluster = clusterOfCircuit(circuit.id);
  if (cluster !== undefined) {
    const settings = deps.fleet(cluster);
    if (!settings) return;
    await deps.clusters.identity(settings.name, signal);
    const before = (await deps.leases.cluster(settings.name))?.state.operator;
    mustBeOurs(deps, settings, (await observeOperator(deps, settings, before, { mark: true }, signal)).installation);
    return;
  }
  const vso = placeOfSuspension(circuit.id);
  if (vso) {
    const settings = deps.fleet(vso.cluster);
    if (settings) await vsoProbe(deps, settings, vso.namespace, signal);
    return;
  }
  const address = vaultOfCircuit(circuit.id);
  if (address !== undefined) await askVault(deps, ca, circuit, address, signal);
}

/** By the current ways to the Vault, not by those of the sync that met the outage. */
async function askVault(deps: Deps, ca: CaCache, circuit: Circuit, address: string, signal: AbortSignal) {
  const targets = await vaultTargets(deps, circuit.id, circuit.attempts);
  if (targets.length === 0 && deps.clock() - circuit.since > FORGOTTEN_MS) return;
  const plainly = targets.length > 0 ? targets : [addressAlone(address)];
  const outage = await vaultOutage(deps, ca, plainly, async () => targets, signal);
  if (outage) throw outage;
}

async function keepOpen(deps: Deps, claimed: Circuit, error: SyncError): Promise<void> {
  const isPassing = DISPOSITIONS[error.code] === "retry";
  const attempts = claimed.attempts;
  const pause = backOff({ disposition: isPassing ? "retry" : "recheck", attempts }, deps.random) ?? MAX_PROBE_PAUSE_MS;
  const { code, message } = isNews(claimed, error) ? error : claimed;
  const longest = isOutage(claimed) ? MAX_PROBE_PAUSE_MS : MAX_STAND_BACK_PAUSE_MS;
  const probeAt = deps.clock() + Math.max(FIRST_PROBE_MS, Math.min(pause, longest));
  const isKept = await deps.leases.keepOpen(claimed, { code, message, attempts: attempts + 1, probeAt });
  if (isKept) await sendProbe(deps, claimed.id, probeAt);
}

/** A time-out of our own proves nothing new; an unreachable cluster proves nothing about other controllers. */
function isNews(circuit: Circuit, { code }: SyncError): boolean {
  if (!isOutage(circuit)) return code === "OTHER_CONTROLLER";
  return vaultOfCircuit(circuit.id) === undefined ? code !== "DEADLINE_EXCEEDED" : OUTAGE_CODES.has(code);
}
