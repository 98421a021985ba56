import { SECOND_MS } from "../../../../lib/clock.ts";
import { declarationKey, isCleanupKey, type SyncKey } from "../../../../lib/keys.ts";
import type { Issue } from "../../../../lib/ports/issues.ts";
import type { Row } from "../../../../lib/ports/rows.ts";
import type { Lease as Claimed, LeaseStore } from "../../../../lib/ports/store.ts";
import type { LogFields } from "../../../../lib/ports/telemetry.ts";
import type { TokenSeals } from "../../../../lib/ports/vault-issues.ts";
import type { Answer, Question } from "../../world/vault/answers.ts";
import { bodyOf } from "../../world/vault/answers.ts";
import type { Lease } from "../../world/vault/leases.ts";
import type { Fault } from "../../world/vault/serve.ts";
import type { Disturbances } from "./disturbances.ts";
import { frequencyOf } from "./frequency.ts";
import type { IssuedAction } from "./plan.ts";
import { faultOf, requestKind } from "./requests.ts";
import type { Secrets } from "./secrets.ts";
import type { IssuedSetting } from "./setting.ts";

/** Watches what keyferry does in Vault, and says which rule it breaks (lease-table 26 to 29). */
export interface IssuedMonitor {
  /** The store as it was given, with an eye on what is recorded in it. */
  watch(store: LeaseStore): LeaseStore;
  /** What keyferry says; `credential-asked-for` tells why Vault is asked. */
  onLog(event: string, fields: LogFields): void;
  /** Compares Vault, the table and the clusters. */
  look(store: LeaseStore): Promise<void>;
  /** The next requests of this kind meet this. */
  faultsAhead(action: Extract<IssuedAction, { readonly do: "answer" }>): void;
  /** No request meets a fault any more. */
  calm(): void;
}

export interface IssuedMonitorOptions {
  readonly setting: IssuedSetting;
  readonly seals: TokenSeals;
  readonly disturbances: Disturbances;
  readonly secrets: Secrets;
  readonly say: (violation: string) => void;
}

/** A token of an issue, from its first record on. */
interface Asked {
  readonly key: SyncKey;
  readonly serial: string;
  readonly askBefore: number;
  times: number;
  /** It arrived later than any worker may send it: its process stood still. */
  isLate: boolean;
  revokedAt?: number;
}

/** How long after its latest start a request may still arrive (`ISSUE_TIMEOUT_MS`). */
const ARRIVES_WITHIN_MS = 30_000;
const MOST_UNPLANNED = 6;
const PLANNED = new Set(["its time is over", "it is read each time", "Vault renews it no longer"]);
/** A Vault ends leases of a token a little later than the token. */
const BACKGROUND_MS = 500;

function isInUse(issue: Issue | undefined): boolean {
  return issue?.state === "live" && issue.lost === undefined;
}

export function issuedMonitor(options: IssuedMonitorOptions): IssuedMonitor {
  const { setting, seals, disturbances, secrets, say } = options;
  const { vault, trueTime, clusters } = setting;
  const now = trueTime.now;
  const asked = new Map<string, Asked>();
  const fences = new Map<string, number>();
  /** What Vault issued unplanned for each declaration. */
  const unplanned = new Map<string, number>();
  const frequency = frequencyOf(options);
  /** The version of each declaration that was claimed last. */
  const versions = new Map<SyncKey, string>();
  /** Those that ask for no more, and the version that did. */
  const parked = new Map<string, string | undefined>();
  /** Why each sync asks, as it says. */
  const because = new Map<string, string>();
  const faults: { readonly of: string; readonly fault: Fault; left: number }[] = [];
  /** Leases in use, as the last look saw them. */
  let inUse = new Map<string, { readonly lease: Lease; readonly key: SyncKey; readonly asked: Asked }>();

  const onRecord = async (lease: Claimed, issues: readonly Issue[]): Promise<void> => {
    const latest = fences.get(`${lease.key} ${lease.uid}`);
    if (latest !== undefined && latest !== lease.fence)
      say(`lease-table 26: ${lease.key} was recorded by fence ${lease.fence}, and ${latest} has it`);
    for (const { state, serial, sealedToken, askBefore } of issues) {
      if (state !== "asking") continue;
      const token = await seals.open(sealedToken, declarationKey(lease.key), serial);
      const text = token?.reveal().toString("utf8") ?? "";
      if (!asked.has(text)) asked.set(text, { key: lease.key, serial, askBefore, times: 0, isLate: false });
    }
  };
  const onIssue = ({ path, token = "" }: Question): void => {
    const own = asked.get(token);
    if (own === undefined) {
      // Without a lease nothing is left to end: the shared token serves, once Vault's first answer told so.
      const isLeaseless = path.startsWith("pki/") && !path.endsWith("/leased");
      if (!isLeaseless) say(`lease-table 26: ${path} is asked, and no row says so`);
      return;
    }
    own.times += 1;
    if (own.times > 1) say(`lease-table 26: ${own.key} asks twice with one token`);
    frequency.onIssue(own.key);
    own.isLate = now() + setting.offBy() > own.askBefore + ARRIVES_WITHIN_MS;
  };
  const onAnswer = (question: Question, answer: Answer | "cut" | "swallowed"): void => {
    const key = asked.get(question.token ?? "")?.key;
    const isIssued = typeof answer === "object" && answer.status < 300;
    if (key === undefined) {
      if (isIssued) frequency.onShared(question);
      return;
    }
    frequency.onAnswer(key, answer);
    if (isIssued) countUnplanned(key);
  };
  const countUnplanned = (key: SyncKey): void => {
    const why = because.get(key) ?? "unknown";
    if (PLANNED.has(why)) return;
    const id = `${key} ${secrets.uidOf(key)}`;
    // Whoever changes a parked declaration says that the cause is mended: it begins anew.
    if (parked.has(id) && parked.get(id) !== versions.get(key)) unplanned.delete(id);
    if (!unplanned.has(id)) parked.delete(id);
    const times = (unplanned.get(id) ?? 0) + 1;
    unplanned.set(id, times);
    if (times > MOST_UNPLANNED && !disturbances.wasClockStepped())
      say(`at most ${MOST_UNPLANNED} issues: ${key} gets its ${times}th one: ${why}`);
  };
  /** Leases that end with this request. */
  const endedBy = (question: Question): readonly Lease[] => {
    const { path, token } = question;
    if (path === "auth/token/revoke-self") return vault.liveLeases().filter((lease) => lease.token?.id === token);
    const [, revoked] = /^sys\/leases\/revoke\/(.+)$/.exec(path) ?? [];
    if (revoked === undefined && path !== "sys/leases/revoke") return [];
    return vault.liveLeases().filter(({ id }) => id === (revoked ?? bodyOf(question).lease_id));
  };
  const onRevoke = (question: Question): void => {
    const { path, token = "" } = question;
    const own = asked.get(token);
    if (path === "auth/token/revoke-self" && own !== undefined) {
      const isUnderWay = [...vault.server.underWay].some(
        (other) => other.token === token && requestKind(other) === "issue",
      );
      if (isUnderWay && !own.isLate && !disturbances.wasClockStepped())
        say(`lease-table 27: the token of ${own.key} is revoked while its request is worked on`);
      own.revokedAt ??= now();
    }
    for (const lease of endedBy(question)) for (const why of secrets.neededStill(lease)) say(why);
  };
  const { serve } = vault;
  vault.serve = async (question, client) => {
    const answer = await serve(question, client);
    if (requestKind(question) === "issue") onAnswer(question, answer);
    return answer;
  };
  vault.meddle((question) => {
    const kind = requestKind(question);
    if (kind === "issue") onIssue(question);
    if (kind === "revoke") onRevoke(question);
    const found = faults.find(({ of, left }) => of === kind && left > 0);
    if (found === undefined) return undefined;
    found.left -= 1;
    disturbances.add(`${kind} meets a fault`, now(), now() + 30 * SECOND_MS);
    return found.fault;
  });

  const rowsOf = async (store: LeaseStore): Promise<readonly Row[]> => {
    const lists = await Promise.all([...[...clusters.keys()].map((name) => store.byCluster(name)), store.retired()]);
    const keys = lists.flat().map(({ key }) => key);
    return [...(await store.read(keys, "strong")).values()];
  };
  /** The request that made this lease. */
  const ownerOf = (lease: Lease): Asked | undefined => {
    const own = lease.token && asked.get(lease.token.id);
    const isForced = disturbances.wasClockStepped() || [...asked.values()].some(({ isLate }) => isLate);
    if (lease.token === undefined && !isForced)
      say(`lease-table 27: leaked lease ${lease.id}: its token ended before it was made`);
    if (lease.token !== undefined && own === undefined)
      say(`lease-table 26: lease ${lease.id} comes from a login that no row knows`);
    return own;
  };
  const mustBeKnown = (lease: Lease, issue: Issue | undefined, { revokedAt }: Asked): void => {
    const isAlive = lease.token !== undefined && now() < lease.token.endsAt;
    // What may not be revoked has ended when the clock says so, and that was wrong. Or who stood still for long says so by
    // its time of before, and others renewed it meanwhile.
    const mayRevoke = lease.token?.isBatch === false && lease.token.policies.includes("default");
    // The rest is asked for once then, and that may have failed.
    if ((!mayRevoke || revokedAt !== undefined) && disturbances.wasClockStepped()) return;
    if (!mayRevoke && disturbances.wasStalled()) return;
    if (issue === undefined && isAlive) say(`lease-table 28: no row knows lease ${lease.id} any more`);
  };
  const lookAtLeases = (rows: readonly Row[]): void => {
    const known = new Map(rows.flatMap(({ state }) => (state.issues ?? []).map((issue) => [issue.serial, issue])));
    const next: typeof inUse = new Map();
    for (const lease of vault.liveLeases()) {
      const own = ownerOf(lease);
      if (own === undefined) continue;
      const issue = known.get(own.serial);
      mustBeKnown(lease, issue, own);
      if (isInUse(issue) && secrets.holding(lease).length > 0) next.set(lease.id, { lease, key: own.key, asked: own });
    }
    for (const before of inUse.values()) expired(before);
    inUse = next;
  };
  const expired = ({
    lease,
    key,
    asked: own,
  }: {
    readonly lease: Lease;
    readonly key: SyncKey;
    readonly asked: Asked;
  }): void => {
    const { token, revokedAt } = lease;
    if (token === undefined || revokedAt !== undefined || own.revokedAt !== undefined) return;
    const end = Math.min(lease.endsAt, token.endsAt);
    if (now() < end || secrets.replacedAt(lease) <= end + BACKGROUND_MS) return;
    if (secrets.holding(lease).length === 0) return;
    const excuse = disturbances.excuse(lease, key, end);
    if (excuse === undefined) say(`lease-table 29: the credential of ${key} ended unrenewed, and nothing forced it`);
  };
  return {
    watch: (store) => ({
      ...store,
      async claim(row, how) {
        const answer = await store.claim(row, how);
        if (answer) fences.set(`${answer.lease.key} ${answer.lease.uid}`, answer.lease.fence);
        if (answer) versions.set(answer.lease.key, answer.row.declared.hash);
        return answer;
      },
      async declare(declared, at) {
        const due = await store.declare(declared, at);
        secrets.onDeclare(declared);
        return due;
      },
      async retire(key, until, at, hash) {
        // Its cluster left, and it begins anew if that comes back: no row knows of its requests.
        unplanned.delete(`${key} ${secrets.uidOf(key)}`);
        frequency.onForgotten(key);
        return store.retire(key, until, at, hash);
      },
      async settle(lease, settlement) {
        const outcome = await store.settle(lease, settlement);
        const isParked = settlement.state.error?.code === "ISSUES_TOO_FREQUENT" && outcome !== "lost";
        const [id, version] = [`${lease.key} ${lease.uid}`, versions.get(lease.key)];
        if (isParked && !(parked.has(id) && parked.get(id) === version)) frequency.onParked(lease.key);
        if (isParked) parked.set(id, version);
        return outcome;
      },
      async record(lease, state, at) {
        const outcome = await store.record(lease, state, at);
        if (outcome === "recorded") await onRecord(lease, state.issues ?? []);
        return outcome;
      },
    }),
    onLog(event, { key, because: why }) {
      if (event === "credential-asked-for") because.set(String(key), String(why));
    },
    faultsAhead: ({ of, fault, times }) => void faults.push({ of, fault: faultOf(fault), left: times }),
    calm: () => void faults.splice(0),
    async look(store) {
      const rows = await rowsOf(store);
      lookAtLeases(rows);
      for (const { key, state } of rows.filter((row) => !isCleanupKey(row.key))) {
        const live = (state.issues ?? []).filter(({ state: at }) => at === "live");
        if (live.length > 1) say(`one live credential: ${key} has ${live.length}`);
      }
    },
  };
}
