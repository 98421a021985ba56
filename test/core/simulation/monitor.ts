import { isDeepStrictEqual } from "node:util";
import { SECOND_MS } from "../../../lib/clock.ts";
import { cleanupKey, partsOf, type SyncKey, syncKey } from "../../../lib/keys.ts";
import type { KubeCall } from "../../../lib/kubernetes/kube-call.ts";
import { OWNER_UID_LABEL } from "../../../lib/owner-labels.ts";
import { CALL_TIMEOUT_MS } from "../../../lib/ports/deps.ts";
import type { Row } from "../../../lib/ports/rows.ts";
import type { Lease, LeaseStore, Settlement } from "../../../lib/ports/store.ts";
import type { Json } from "../world/api/fields.ts";
import type { Change, Stored } from "../world/api/objects.ts";
import type { MemoryCluster } from "../world/cluster.ts";
import type { WorldTime } from "../world/time.ts";
import { isLook, writerOf } from "./writes.ts";

/** Watches what a run does from outside, and says which rule it breaks. */
export interface Monitor {
  readonly violations: readonly string[];
  say(violation: string): void;
  /** The store as one process has it. */
  store(store: LeaseStore, process: number): LeaseStore;
  /** A process starts a call to a cluster. */
  starts(call: KubeCall, process: number): void;
  /** Whoever that was has no leases any more. */
  died(process: number): void;
  follow(cluster: MemoryCluster): void;
  /** Claims of rows so far, by key. */
  claims(): ReadonlyMap<SyncKey, number>;
  /** From now on nothing is declared any more: every change of data owes the restart that is declared now. */
  quiet(): void;
  /** Workloads that run with older data than their Secret holds. */
  unrestarted(): readonly string[];
}

export interface MonitorOptions {
  readonly time: WorldTime;
  readonly observes: (cluster: string) => "watch" | "apply";
  /** Whether this namespace of this cluster may have what stands at this path of Vault. */
  readonly mayHave: (namespace: string, path: string) => boolean;
  readonly mayRead: (login: { readonly auth: "own" | "default"; readonly namespace: string }, path: string) => boolean;
  /** A wall clock that is stepped may repeat a restart; one that is stepped back may take an earlier restart for a later one. */
  readonly isClockSteady: boolean;
  /** keyferry's clock is stepped in this run. */
  readonly isClockStepped: boolean;
  /** A process may stand still for as long as a lease lasts, between any two of its calls. */
  readonly canStopForLong: boolean;
  readonly trace: (line: string) => void;
}

interface Content {
  readonly path: string;
  readonly version: number;
}

interface Held {
  readonly lease: Lease;
  readonly row: Row;
  readonly process: number;
}

export const FOREIGN = "example.com/foreign";

export function monitor(options: MonitorOptions): Monitor {
  const { time, observes, mayHave, mayRead, isClockSteady, isClockStepped, canStopForLong, trace } = options;
  const violations: string[] = [];
  const say = (violation: string): void => {
    if (violations.length < 20) violations.push(violation);
  };
  const held = new Map<SyncKey, Held>();
  /** Of runs whose declaration was made anew since. */
  const former = new Map<string, Held>();
  /** By key and uid: a declaration that is made anew begins anew. */
  const fences = new Map<string, number>();
  /** Rows that were removed, and not claimed since. */
  const released = new Set<SyncKey>();
  const claimed = new Map<SyncKey, number>();
  /** Objects that declare anew without having been deleted: a clean-up has the row that was leased. */
  const tombstoned = new Set<SyncKey>();
  const clusters = new Map<string, MemoryCluster>();
  const restarted = new Map<string, string>();
  /** When a declaration's data last changed, by workload. */
  const changed = new Map<string, number>();
  const logins = new Map<string, Set<"own" | "default">>();
  const written = new Map<string, string>();
  /** What a settle knew of: a first sync that died before it owes no restart to the next one. */
  const recorded = new Map<string, string>();
  const owed: {
    readonly cluster: MemoryCluster;
    readonly namespace: string;
    readonly uid: string;
    readonly at: number;
  }[] = [];
  let isQuiet = false;
  const newest = new Map<string, number>();

  const onClaim = (process: number, answer: Awaited<ReturnType<LeaseStore["claim"]>>): void => {
    if (answer === undefined) return;
    const { lease, row } = answer;
    const before = held.get(lease.key);
    const isSameRow = before?.lease.uid === lease.uid && !tombstoned.delete(lease.key);
    if (isSameRow && before.lease.until > time.now() && before.process !== process) {
      say(`lease-table 1: ${lease.key} is claimed while process ${before.process} holds it`);
    }
    const id = `${lease.key} ${lease.uid}`;
    const latest = fences.get(id) ?? 0;
    // The fence of a new row starts at the clock, and no lease of the former row reaches it: fences are compared as equal.
    const isNewlyBack = isClockStepped && released.delete(lease.key) && latest !== lease.fence;
    if (latest >= lease.fence && !isNewlyBack) say(`lease-table 4: the fence of ${lease.key} does not grow`);
    // The declaration was made anew: the former run works on, and its clean-up waits for it (lease-table 8).
    if (before !== undefined && before.lease.uid !== lease.uid) former.set(`${lease.key} ${before.lease.uid}`, before);
    held.set(lease.key, { lease, row, process });
    fences.set(id, lease.fence);
    claimed.set(lease.key, (claimed.get(lease.key) ?? 0) + 1);
  };
  const onSettle = (lease: Lease, { state }: Settlement, outcome: string): void => {
    if (held.get(lease.key)?.lease.fence === lease.fence) held.delete(lease.key);
    former.delete(`${lease.key} ${lease.uid}`);
    if (outcome === "lost") return;
    const latest = fences.get(`${lease.key} ${lease.uid}`);
    if (latest !== undefined && latest !== lease.fence) {
      say(`lease-table 4: ${lease.key} was settled by fence ${lease.fence}, and ${latest} has it`);
    }
    const content = written.get(lease.uid);
    // A settle without data, such as one that only finds another declaration, records none.
    if (content !== undefined && state.digest !== undefined) recorded.set(lease.uid, content);
  };
  /** The declaration that the Secret of a call names as its own. */
  const labelled = ({ cluster, kind, namespace, name }: KubeCall): unknown => {
    const found = clusters.get(cluster)?.server.objects.get(kind, namespace, name ?? "");
    return Object(found?.metadata.labels)[OWNER_UID_LABEL];
  };
  /** The latest of the leases that this process may write the Secret under. */
  const leaseFor = (call: KubeCall, process: number): Lease | undefined =>
    [...held.values(), ...former.values()]
      .filter(({ lease, row, process: holder }) => {
        const { cluster, namespace } = partsOf(lease.key);
        if (holder !== process || cluster !== call.cluster || namespace !== call.namespace) return false;
        // A row that was made anew finds Secrets of former destinations by their label (lease-table 28).
        if (call.verb === "delete" && labelled(call) === lease.uid) return true;
        const names = [...row.state.owned.map(({ name }) => name), String(Object(row.declared.spec.destination).name)];
        return names.includes(call.name ?? "");
      })
      .map(({ lease }) => lease)
      .reduce<Lease | undefined>((latest, lease) => (latest && latest.until > lease.until ? latest : lease), undefined);

  const onSecret = (cluster: MemoryCluster, { type, object, before }: Change): void => {
    if (writerOf(object, before) !== "keyferry") return;
    const { namespace, name } = object.metadata;
    const place = `${cluster.name}/${namespace}/${name}`;
    if (before && Object(before.metadata.labels)[FOREIGN] !== undefined) {
      say(`kubernetes-rules 6: Secret ${place} of somebody else was written`);
    }
    const content = type === "DELETED" ? undefined : contentOf(object);
    if (content === undefined) return;
    const owner = writingDeclaration(cluster, object);
    if (before && isDeepStrictEqual(content, contentOf(before))) {
      onOwner(cluster, owner, before, content);
      return;
    }
    if (!mayHave(String(namespace), content.path)) say(`tenants: Secret ${place} holds what stands at ${content.path}`);
    onData(cluster, owner, content, place);
  };
  /** Who owns it may change without its data: to the workloads of the new owner this is a change. */
  const onOwner = (cluster: MemoryCluster, owner: Stored | undefined, before: Stored, content: Content): void => {
    if (owner && writingDeclaration(cluster, before) !== owner) noteData(cluster, owner, content);
  };
  const onData = (cluster: MemoryCluster, owner: Stored | undefined, content: Content, place: string): void => {
    if (owner === undefined) return;
    const { uid, namespace, annotations } = owner.metadata;
    const all = [...(logins.get(uid) ?? [])];
    if (!all.some((auth) => mayRead({ auth, namespace: String(namespace) }, content.path))) {
      say(`tenants: Secret ${place} holds what no login of its declaration may read: ${content.path}`);
    }
    noteData(cluster, owner, content);
    const line = `${place} ${content.path} ${JSON.stringify([uid, owner.spec, annotations])}`;
    const known = newest.get(line) ?? 0;
    // After a step of Vault's own clock its later version has the earlier time, by which answers are compared.
    if (known > content.version && !isClockStepped) {
      say(`lease-table 9: Secret ${place} went back from version ${known} to ${content.version} of ${content.path}`);
    }
    newest.set(line, content.version);
  };
  /** Of a declaration as it stands now: whoever works by an older one owes what that one says. */
  const noteData = (cluster: MemoryCluster, { metadata, spec }: Stored, { path, version }: Content): void => {
    const { uid, name, namespace, generation } = metadata;
    const key = syncKey({ cluster: cluster.name, kind: "VaultStaticSecret", namespace: String(namespace), name });
    const isNow = held.get(key)?.row.declared.generation === generation && Object(spec).path === path;
    const [before, content] = [recorded.get(uid), `${path}#${version}`];
    // Also where it goes back to what it was: pods may have started in between.
    const app = `${cluster.name}/${namespace}/app`;
    if (written.get(uid) !== content) restarted.delete(app);
    if (written.get(uid) !== content) changed.set(app, time.now());
    written.set(uid, content);
    const isOwed = isNow && isQuiet && isClockSteady && before !== undefined && before !== content;
    if (isOwed) owed.push({ cluster, namespace: String(namespace), uid, at: time.now() });
  };
  const onDeclaration = ({ object }: Change): void => {
    const known = logins.get(object.metadata.uid) ?? new Set<"own" | "default">();
    logins.set(object.metadata.uid, known.add(Object(object.spec).vaultAuthRef === undefined ? "default" : "own"));
  };
  const onDeployment = (cluster: MemoryCluster, { object, before }: Change): void => {
    if (before === undefined || !isClockSteady || restartOf(object) === restartOf(before)) return;
    const signature = targetsOf(cluster, object);
    const place = `${cluster.name}/${object.metadata.namespace}/${object.metadata.name}`;
    // Times of restarts are whole seconds: one in the second of a change is not known to be after it.
    const isAfter = Date.parse(restartOf(before)) > (changed.get(place) ?? Number.NEGATIVE_INFINITY);
    if (restarted.get(place) === signature && isAfter)
      say(`one restart for each change: ${place} was restarted again for the same data`);
    restarted.set(place, signature);
  };
  return {
    violations,
    say,
    claims: () => claimed,
    quiet() {
      isQuiet = true;
    },
    unrestarted: () =>
      owed.flatMap(({ cluster, namespace, uid, at }) => {
        const kind = cluster.server.kindOf("apps/v1", "Deployment");
        const app = kind && cluster.server.objects.get(kind, namespace, "app");
        const declaration = declarations(cluster).find(({ metadata }) => metadata.uid === uid);
        if (!app || Object(declaration?.spec).rolloutRestartTargets === undefined) return [];
        const isRestarted = Date.parse(restartOf(app)) + SECOND_MS > at;
        return isRestarted
          ? []
          : [`${cluster.name}/${namespace}/app was not restarted after ${declaration?.metadata.name} changed`];
      }),
    died(process) {
      // What it had sent is refused or done by now; the rows stay claimed in the table.
      for (const [key, one] of held) if (one.process === process) held.set(key, { ...one, process: -1 });
    },
    store: (store, process) => ({
      ...store,
      async claim(row, options) {
        const answer = await store.claim(row, options);
        if (answer) trace(`${process} claimed ${row.key} with fence ${answer.lease.fence}`);
        onClaim(process, answer);
        return answer;
      },
      async claimPush(row, options) {
        const answer = await store.claimPush(row, options);
        if (answer && "lease" in answer) onClaim(process, answer);
        return answer;
      },
      async tombstone(key, uid, now) {
        // What was retired under this uid is merged: it ends credentials in Vault, which two workers may do.
        held.delete(cleanupKey(key, uid));
        const due = await store.tombstone(key, uid, now);
        if (due) tombstoned.add(key);
        return due;
      },
      release(key, hash) {
        released.add(key);
        return store.release(key, hash);
      },
      async retire(key, until, now, hash) {
        held.delete(key);
        // It is released if it has no issues.
        released.add(key);
        return store.retire(key, until, now, hash);
      },
      async settle(lease, settlement) {
        const outcome = await store.settle(lease, settlement);
        trace(
          `${process} ${outcome} ${lease.key}: ${settlement.state.error?.code} ${JSON.stringify(settlement.schedule)}`,
        );
        onSettle(lease, settlement, outcome);
        if (outcome !== "lost" && settlement.schedule.kind === "gone") released.add(lease.key);
        return outcome;
      },
    }),
    starts(call, process) {
      const isWrite = call.verb === "patch" || call.verb === "delete";
      if (call.kind.resource !== "secrets" || !isWrite || isLook(call)) return;
      // The same content is asserted again without a lease (lease-table 7), and looks like any other patch from here.
      const isAsserted = observes(call.cluster) === "apply" && call.verb === "patch";
      // Who was stopped for longer than a lease in between two calls is refused by uid and resourceVersion alone.
      if (isAsserted || canStopForLong) return;
      const lease = leaseFor(call, process);
      const place = `${call.cluster}/${call.namespace}/${call.name}`;
      if (!lease) say(`lease-table 1: process ${process} starts to ${call.verb} Secret ${place} without a lease`);
      else if (time.now() > lease.until - CALL_TIMEOUT_MS)
        say(`lease-table 6: ${call.verb} of Secret ${place} starts too late for its lease`);
    },
    follow(cluster) {
      clusters.set(cluster.name, cluster);
      cluster.server.objects.onChange((change) => {
        if (change.resource === "vaultstaticsecrets.secrets.hashicorp.com") onDeclaration(change);
        if (change.resource === "secrets") onSecret(cluster, change);
        if (change.resource === "deployments.apps") onDeployment(cluster, change);
      });
    },
  };
}

/** What a Secret holds: the path of Vault that it comes from and how many times that was written. */
export function contentOf(secret: Json): Content | undefined {
  const value = Buffer.from(String(Object(secret.data).value ?? ""), "base64").toString();
  const [, path, version] = /^(.+)#(\d+)$/.exec(value) ?? [];
  return path === undefined ? undefined : { path, version: Number(version) };
}

function declarations({ server }: MemoryCluster): readonly Stored[] {
  const kind = server.kindOf("secrets.hashicorp.com/v1beta1", "VaultStaticSecret");
  return kind ? server.objects.list(kind) : [];
}

/** The declaration that wrote a Secret, as it is now; others may stand beside it. */
function writingDeclaration(cluster: MemoryCluster, { metadata }: Json): Stored | undefined {
  const uid = Object(Object(metadata).labels)[OWNER_UID_LABEL];
  return declarations(cluster).find((declared) => declared.metadata.uid === uid);
}

export function restartOf(deployment: Json): string {
  const annotations = Object(Object(Object(Object(deployment.spec).template).metadata).annotations);
  return String(annotations["vso.secrets.hashicorp.com/restartedAt"] ?? "");
}

/** What the Secrets of the workload's namespace hold: a restart again needs something new among them. */
function targetsOf(cluster: MemoryCluster, { metadata }: Json): string {
  const kind = cluster.server.kindOf("v1", "Secret");
  const secrets = kind ? cluster.server.objects.list(kind, String(Object(metadata).namespace)) : [];
  return JSON.stringify(
    secrets.map((secret) => [secret.metadata.name, secret.metadata.uid, Object(secret.data).value]),
  );
}
