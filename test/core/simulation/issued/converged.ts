import { isDeepStrictEqual } from "node:util";
import { HOUR_MS, MINUTE_MS } from "../../../../lib/clock.ts";
import type { SyncKey } from "../../../../lib/keys.ts";
import type { Row } from "../../../../lib/ports/rows.ts";
import { isReferenceStatus } from "../../../../lib/resource-kinds.ts";
import type { Stored } from "../../world/api/objects.ts";
import { restartOf } from "../monitor.ts";
import type { Processes } from "../processes.ts";
import { NAMESPACE } from "./plan.ts";
import { aboutOf, type Declared, dataOf, ownersOf, type Secrets, secretsIn } from "./secrets.ts";
import type { IssuedSetting } from "./setting.ts";

export interface Ended {
  /** What is not as it should be yet. */
  readonly problems: readonly string[];
}

export interface Settled extends Ended {
  /** Syncs that have nothing to do but renewals. */
  readonly renewed: readonly SyncKey[];
  /** Serial numbers of certificates that are to be revoked with their declarations. */
  readonly revoked: readonly string[];
}

/** Each declared sync has one credential, which gets in. */
export async function settled(setting: IssuedSetting, { store }: Processes, secrets: Secrets): Promise<Settled> {
  const open = (await store.circuits()).map(({ id }) => `circuit ${id} is open`);
  const declared = secrets.declared();
  const rows = await store.read(
    declared.map(({ key }) => key),
    "strong",
  );
  const judged = await Promise.all(
    declared.map(async (one) => ({ one, problem: await problemOf(setting, declared, one, rows.get(one.key)) })),
  );
  const isRenewed = (key: SyncKey): boolean => renewsOnly(setting, rows.get(key));
  return {
    problems: [
      ...open,
      ...judged.flatMap(({ one, problem }) =>
        problem ? [`${one.key}: ${problem} (${standing(rows.get(one.key))})`] : [],
      ),
    ],
    renewed: declared.map(({ key }) => key).filter(isRenewed),
    revoked: declared
      .filter(({ object }) => Object(object.spec).revoke === true && Object(object.spec).role === "web")
      .flatMap((one) => (secretOf(one) ? [aboutOf(secretOf(one) ?? {}) ?? ""] : [])),
  };
}

function standing(row: Row | undefined): string {
  const { dueAt, renew, state, leaseUntil } = row ?? {};
  const issues = state?.issues?.map(({ state: at, endAt, lost }) => ({ at, endAt, lost }));
  return JSON.stringify({ dueAt, leaseUntil, renew, error: state?.error, issues });
}

function secretOf({ cluster, object }: Declared) {
  const name = Object(Object(object.spec).destination).name;
  return secretsIn(cluster).find(({ metadata }) => metadata.name === name);
}

async function problemOf(
  { vault, trueTime }: IssuedSetting,
  all: readonly Declared[],
  one: Declared,
  row: Row | undefined,
): Promise<string | undefined> {
  if (row === undefined) return "it has no row";
  if (!isOfNow(row, one)) return "its row is of an older declaration";
  if (row.leaseUntil !== undefined) return "it is claimed";
  const secret = secretOf(one);
  if (isOthers(secret, all, one) || isRelabelled(secret) || isRefused(row)) return undefined;
  if (row.state.error !== undefined) return `it fails: ${row.state.error.code}`;
  if (secret === undefined) return "its Secret is missing";
  // Some credentials change faster than workloads are restarted.
  if (row.state.rollout !== undefined && !isRestarted(one, trueTime.now())) return "a restart is owed";
  return (await credentialProblem(vault, secret)) ?? issueProblem(one, row);
}

function isOfNow({ declared }: Row, { object: { metadata, spec } }: Declared): boolean {
  const isSame = declared.uid === metadata.uid && isDeepStrictEqual(declared.spec, spec);
  return isSame && isDeepStrictEqual(declared.annotations, { ...Object(metadata.annotations) });
}

/** Another declaration has this Secret. */
function isOthers(secret: Stored | undefined, all: readonly Declared[], { object }: Declared): boolean {
  const owners = secret ? ownersOf(secret) : [];
  return !owners.includes(object.metadata.uid) && all.some((other) => owners.includes(other.object.metadata.uid));
}

async function credentialProblem(vault: IssuedSetting["vault"], secret: Stored): Promise<string | undefined> {
  const { username, password = "", certificate } = dataOf(secret);
  if (username !== undefined && !(await vault.login(username, password))) return `${username} does not get in`;
  if (certificate === undefined) return undefined;
  const found = vault.certificates().find(({ serial }) => serial === aboutOf(secret));
  return found?.revokedAt === undefined ? undefined : "its certificate is revoked";
}

function issueProblem({ object }: Declared, { state }: Row): string | undefined {
  const { role, path } = Object(object.spec) as { readonly role?: string; readonly path?: string };
  const isLeased = role === undefined ? path?.startsWith("static-creds") === false : role === "leased";
  const live = (state.issues ?? []).filter((issue) => issue.state === "live");
  return isLeased && live.length !== 1 ? `it has ${live.length} live issues` : undefined;
}

/** Its workload was restarted within the last two minutes: restarts are at least a minute apart. */
function isRestarted({ cluster }: Declared, now: number): boolean {
  const kind = cluster.server.kindOf("apps/v1", "Deployment");
  const app = kind && cluster.server.objects.get(kind, NAMESPACE, "app");
  return app !== undefined && Date.parse(restartOf(app)) > now - 2 * MINUTE_MS;
}

/** Somebody took its label away: nobody knows it for ours any more. */
function isRelabelled(secret: Stored | undefined): boolean {
  return Object(secret?.metadata.labels)["app.kubernetes.io/managed-by"] === "someone";
}

/** Refusals that people have to mend. Whether Vault really issued so often is watched elsewhere. */
const FOR_PEOPLE = new Set(["ISSUES_TOO_FREQUENT", "ISSUES_UNENDED", "SECRET_FOREIGN", "SECRET_TYPE_CHANGED"]);

function isRefused({ state: { error, issues = [] } }: Row): boolean {
  // Requests without an answer end by themselves.
  const isOfRequests = error?.code === "ISSUES_UNENDED" && issues.some(({ vaultLease }) => vaultLease === undefined);
  return FOR_PEOPLE.has(error?.code ?? "") && !isOfRequests;
}

/** Its lease and its token can be renewed for long, and no restart is owed, which has a run of its own. */
function renewsOnly({ vault, trueTime }: IssuedSetting, row: Row | undefined): boolean {
  const { issues = [], error, rollout } = row?.state ?? {};
  const [issue] = issues;
  if (
    error !== undefined ||
    rollout !== undefined ||
    issues.length !== 1 ||
    issue?.state !== "live" ||
    !issue.tokenRenewable
  )
    return false;
  const lease = vault.liveLeases().find(({ id }) => id === issue.vaultLease?.id);
  if (lease?.token === undefined || !lease.isRenewable) return false;
  const last = Math.min(lease.maxAt, lease.token.madeAt + lease.token.maxMs);
  return last > trueTime.now() + HOUR_MS;
}

/**
 * Nothing is left in Vault, and nothing in the table. A clock that was set forward cuts the wait for a request that Vault
 * may still work on: what it makes after the end of its token has that token's TTL (lease-table 27).
 */
export async function ended(setting: IssuedSetting, { store }: Processes, wasClockStepped: boolean): Promise<Ended> {
  const lists = await Promise.all([
    ...[...setting.clusters.keys()].map((name) => store.byCluster(name)),
    store.retired(),
  ]);
  const rows = lists.flat().filter(({ key }) => !isReferenceStatus(key));
  const whole = await store.read(
    rows.map(({ key }) => key),
    "strong",
  );
  return {
    problems: [
      ...setting.vault
        .liveLeases()
        .filter(({ token }) => token !== undefined || !wasClockStepped)
        .map(({ id }) => `lease ${id} is left in Vault`),
      ...rows.map(({ key }) => `${key} is left in the table (${standing(whole.get(key))})`),
    ],
  };
}
