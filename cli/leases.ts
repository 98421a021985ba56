import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type EpochMs, SECOND_MS, systemClock } from "../lib/clock.ts";
import { SyncError } from "../lib/errors.ts";
import { readFleet } from "../lib/fleet/read-fleet.ts";
import { reachOfFleet } from "../lib/fleet/vaults.ts";
import { liveFleet } from "../lib/hubs/live-fleet.ts";
import { openIssue } from "../lib/issues/end-issues.ts";
import { declarationKey, type SyncKey } from "../lib/keys.ts";
import type { Issue } from "../lib/ports/issues.ts";
import type { Row } from "../lib/ports/rows.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import type { IssueApi, TokenSeals } from "../lib/ports/vault-issues.ts";
import { sealingKeys } from "../lib/sealing-keys.ts";
import { parallel } from "../lib/util/parallel.ts";
import { tokenSeals } from "../lib/vault/token-seals.ts";
import { vaultApi } from "../lib/vault/vault-api.ts";
import { peekDataDir } from "./data-dir.ts";
import { humanAge } from "./status-view.ts";
import { table, textLines } from "./table.ts";

/** What a sync has in Vault: one issued credential, as the lease table and Vault itself know it. */
export interface LeaseView {
  readonly key: string;
  readonly state: Issue["state"];
  /** Vault's id of the lease, or the certificate's serial number. */
  readonly lease?: string;
  /** Seconds that are left in Vault, looked up now. */
  readonly left?: number;
  /** Why there is no time: `gone` (Vault has no such lease), `not allowed`, `unreadable`, or what kept it. */
  readonly unknown?: string;
  /** When a former one is ended. */
  readonly endsAt?: string;
  /** A former key encrypts its token, and must not be removed yet. */
  readonly needsFormerKey?: true;
}

/** Looks up every lease of these rows. */
export interface LeaseLookUp extends AsyncDisposable {
  leasesOf(rows: Iterable<Row>): Promise<readonly LeaseView[]>;
}

interface LookUpDeps {
  readonly leases: LeaseStore;
  readonly issues: IssueApi;
  readonly seals: TokenSeals;
}

const refuse = () => Promise.reject(new Error("a look-up logs in nowhere"));
const NO_CREDENTIALS = { credential: refuse, secret: refuse, annotations: refuse };
const LOOK_UP_MS = 10 * SECOND_MS;
const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const UNCOUNTED = { count: () => undefined, observe: () => undefined };

/** With the keys of this data directory, beside an engine that runs. Undefined: it has none that can be read. */
export async function leaseLookUp(dataDir: string, fleetPath: string, leases: LeaseStore): Promise<LeaseLookUp> {
  const { installation = "" } = peekDataDir(dataDir) ?? {};
  const path = join(dataDir, "tokens.key");
  const keys = existsSync(path) ? (sealingKeys(readFileSync(path, "utf8")) ?? []) : [];
  const { fleet: own } = await readFleet(fleetPath);
  const fleet = await liveFleet(own, leases).take(own);
  const vault = vaultApi({
    clock: systemClock,
    credentials: NO_CREDENTIALS,
    log: SILENT,
    reachOf: reachOfFleet(() => fleet),
  });
  const seals: TokenSeals =
    keys.length > 0
      ? tokenSeals({ keys: async () => keys, installation, randomBytes })
      : {
          seal: () => Promise.reject(new Error("a look-up seals nothing")),
          open: async () => undefined,
          sealedBy: async () => "unknown",
          hasFormer: async () => false,
        };
  const deps: LookUpDeps = { leases, issues: vault.issues, seals };
  return {
    leasesOf: async (rows) => {
      const all = [...rows].flatMap(({ key, state }) => (state.issues ?? []).map((issue) => ({ key, issue })));
      return parallel(all, ({ key, issue }) => lookedUp(deps, key, issue));
    },
    [Symbol.asyncDispose]: () => vault.close(),
  };
}

async function lookedUp(deps: LookUpDeps, key: SyncKey, issue: Issue): Promise<LeaseView> {
  const lease = issue.vaultLease?.id ?? issue.certificate?.serial;
  const view: LeaseView = {
    ...{ key, state: issue.state },
    ...(lease === undefined ? {} : { lease }),
    ...(issue.state === "ending" && issue.endAt !== undefined ? { endsAt: iso(issue.endAt) } : {}),
    ...((await needsFormerKey(deps, key, issue)) ? { needsFormerKey: true } : {}),
  };
  if (issue.vaultLease === undefined) return view;
  try {
    return { ...view, ...(await left(deps, key, issue, issue.vaultLease.id)) };
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return { ...view, unknown: error.code };
  }
}

async function needsFormerKey({ seals }: LookUpDeps, key: SyncKey, issue: Issue): Promise<boolean> {
  const { serial, sealedToken } = issue;
  return sealedToken !== "" && (await seals.sealedBy(sealedToken, declarationKey(key), serial)) === "former";
}

async function left(
  deps: LookUpDeps,
  key: SyncKey,
  issue: Issue,
  id: string,
): Promise<Pick<LeaseView, "left" | "unknown">> {
  const opened = await openIssue({ ...deps, log: SILENT, metrics: UNCOUNTED }, key, issue);
  if (opened === undefined) return { unknown: "unreadable" };
  // Taken over from Vault Secrets Operator: its token is not stored here.
  if (opened.token === undefined) return { unknown: "of the operator's token" };
  const answer = await deps.issues.lookUpLease(opened.way, opened.token, id, AbortSignal.timeout(LOOK_UP_MS));
  if (answer.kind === "renewed") return { left: answer.seconds };
  return { unknown: answer.kind === "gone" ? "gone" : "not allowed" };
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}

/** For people. */
export function leaseTable(leases: readonly LeaseView[], now: EpochMs): string {
  if (leases.length === 0) return "No sync has a lease in Vault.\n";
  const rows = leases.map(({ key, state, lease = "", left: seconds, unknown = "", endsAt }) => [
    ...[key, state, lease],
    seconds === undefined ? unknown : humanAge(seconds * SECOND_MS),
    endsAt === undefined ? "" : humanAge(Date.parse(endsAt) - now),
  ]);
  const former = leases.filter(({ needsFormerKey: needs }) => needs).length;
  const keys =
    former > 0 ? [`${former} tokens are still encrypted with a former key of tokens.key: don't remove it yet`] : [];
  return `${table(["SYNC", "STATE", "LEASE", "LEFT", "ENDED IN"], rows)}${textLines(keys)}`;
}
