import { X509Certificate } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { SECOND_MS } from "../../../../lib/clock.ts";
import { parseDuration } from "../../../../lib/duration.ts";
import { type SyncKey, syncKey } from "../../../../lib/keys.ts";
import type { Declared as RowDeclared } from "../../../../lib/ports/rows.ts";
import type { Json } from "../../world/api/fields.ts";
import type { Change, Stored } from "../../world/api/objects.ts";
import { API } from "../../world/builders.ts";
import type { MemoryCluster } from "../../world/cluster.ts";
import type { Lease } from "../../world/vault/leases.ts";
import { restartOf } from "../monitor.ts";
import type { Disturbances } from "./disturbances.ts";
import { NAMESPACE } from "./plan.ts";
import { type IssuedSetting, RETENTION_MS } from "./setting.ts";

export interface Declared {
  readonly cluster: MemoryCluster;
  readonly key: SyncKey;
  readonly object: Stored;
}

/** Which credentials Secrets hold, and when they were replaced. */
export interface Secrets {
  declared(): readonly Declared[];
  uidOf(key: string): string;
  /** Declarations whose Secret holds the credential of this lease. */
  holding(lease: Lease): readonly Declared[];
  /** When a Secret ceased to hold it; never: infinity. */
  replacedAt(lease: Lease): number;
  /** keyferry has stored what this declaration says. */
  onDeclare(declared: Pick<RowDeclared, "uid" | "spec" | "annotations">): void;
  /** Why this lease must not be ended now. */
  neededStill(lease: Lease): readonly string[];
}

interface Replaced {
  readonly at: number;
  readonly cluster: MemoryCluster;
  readonly uid: string;
  /** What its declaration said. */
  readonly says: unknown;
  /** When its lease was to end then. */
  readonly endsAt: number;
}

/** Edits that keyferry has known for longer had their effect on whatever is replaced now. */
const KNOWN_AFTER_MS = 20 * SECOND_MS;
/** From the answer to the write some time may pass. */
const SLACK_MS = 8 * SECOND_MS;
const REVOKE_REPLACED = "keyferry.dev/revoke-replaced";
const KINDS = ["VaultDynamicSecret", "VaultPKISecret"];

export function secretsOf(setting: IssuedSetting, disturbances: Disturbances): Secrets {
  const { clusters, trueTime } = setting;
  const now = trueTime.now;
  const replaced = new Map<string, Replaced>();
  /** Credentials whose Secrets a person edited: they work no more, or nobody can tell. */
  const edited = new Set<string>();
  /** What keyferry knows of declarations, and since when, by uid: the watch of a killed process holds its cluster for a while. */
  const known = new Map<string, { readonly says: unknown; readonly at: number }>();

  const declared = (): readonly Declared[] =>
    [...clusters.values()].flatMap((cluster) =>
      KINDS.flatMap((kind) =>
        declarations(cluster, kind).map((object) => {
          const { namespace, name } = object.metadata;
          const key = syncKey({ cluster: cluster.name, kind, namespace: String(namespace), name });
          return { cluster, key, object };
        }),
      ),
    );
  const onSecret = (cluster: MemoryCluster, { type, object, before }: Change): void => {
    const old = before && aboutOf(before);
    if (old === undefined) return;
    if (type !== "DELETED" && aboutOf(object) === old) {
      if (!isDeepStrictEqual(object.data, before?.data)) edited.add(old);
      return;
    }
    const [uid = ""] = ownersOf(object);
    const owner = declared().find((one) => one.object.metadata.uid === uid);
    const endsAt = setting.vault.liveLeases().find(({ about }) => about === old)?.endsAt ?? now();
    replaced.set(old, { at: now(), cluster, uid, says: owner && saysOf(owner.object), endsAt });
  };
  for (const cluster of clusters.values()) {
    cluster.server.objects.onChange((change) => {
      if (change.resource === "secrets") onSecret(cluster, change);
    });
  }
  const holding = ({ about }: Lease): readonly Declared[] =>
    declared().filter(({ cluster, object }) =>
      secretsIn(cluster).some((secret) => aboutOf(secret) === about && ownersOf(secret).includes(object.metadata.uid)),
    );
  /** What a cluster had when it left is revoked then, wanted or not (lease-table 28). */
  const isRetentionOver = (cluster: MemoryCluster): boolean =>
    now() >= disturbances.leftAt(cluster.name) + RETENTION_MS - SLACK_MS;
  /** What its declaration says of replaced credentials, as far as keyferry has known that for long. */
  const tooEarly = (lease: Lease, { at, cluster, uid, says, endsAt }: Replaced): string | undefined => {
    const owner = declared().find((one) => one.object.metadata.uid === uid);
    const knows = known.get(uid);
    if (owner === undefined || knows === undefined || knows.at > at - KNOWN_AFTER_MS) return undefined;
    if (isRetentionOver(cluster)) return undefined;
    const now = saysOf(owner.object);
    if (!isDeepStrictEqual(now, says) || !isDeepStrictEqual(now, knows.says)) return undefined;
    return tooEarlyBy(lease, { at, cluster, endsAt }, replacingOf(owner.object));
  };
  /** A process that stood still may have renewed it since it was replaced, by what it read before. */
  const endOf = (lease: Lease, endsAt: number): number =>
    disturbances.wasStalled() ? Math.min(lease.endsAt, endsAt) : lease.endsAt;
  const tooEarlyBy = (
    lease: Lease,
    { at, cluster, endsAt }: Pick<Replaced, "at" | "cluster" | "endsAt">,
    { wish, hasTargets }: Replacing,
  ): string | undefined => {
    const after = wish === undefined ? undefined : parseDuration(wish);
    if (after !== undefined) return now() >= at + after - SLACK_MS ? undefined : "before its declared time";
    if (endOf(lease, endsAt) <= now() + SLACK_MS) return undefined;
    if (wish === "at-end" || !hasTargets) return "before its end";
    return restartedAt(cluster) + SLACK_MS >= at ? undefined : "before its workloads were restarted";
  };
  const restartedAt = (cluster: MemoryCluster): number => {
    const kind = cluster.server.kindOf("apps/v1", "Deployment");
    const app = kind && cluster.server.objects.get(kind, NAMESPACE, "app");
    return app === undefined ? 0 : Date.parse(restartOf(app)) - setting.offBy();
  };
  return {
    declared,
    holding,
    uidOf: (key) => declared().find((one) => one.key === key)?.object.metadata.uid ?? "",
    replacedAt: ({ about }) => replaced.get(about)?.at ?? Number.POSITIVE_INFINITY,
    onDeclare({ uid, spec, annotations }) {
      const says = [spec, annotations[REVOKE_REPLACED]];
      if (!isDeepStrictEqual(known.get(uid)?.says, says)) known.set(uid, { says, at: now() });
    },
    neededStill(lease) {
      if (lease.endsAt <= now() + SECOND_MS) return [];
      const users = holding(lease).filter(({ cluster }) => !isRetentionOver(cluster));
      // A stepped clock ends the retention of a cluster that is out of reach.
      if (users.length > 0 && !edited.has(lease.about) && !disturbances.wasClockStepped())
        return users.map(({ key }) => `lease-table 28: the credential of ${key} is revoked in use`);
      const before = replaced.get(lease.about);
      const why = before === undefined || disturbances.wasClockStepped() ? undefined : tooEarly(lease, before);
      return why === undefined ? [] : [`lease-table 28: a replaced credential (${lease.about}) is revoked ${why}`];
    },
  };
}

interface Replacing {
  readonly wish?: string;
  readonly hasTargets: boolean;
}

function replacingOf({ metadata, spec }: Stored): Replacing {
  const wish: unknown = Object(metadata.annotations)[REVOKE_REPLACED];
  const hasTargets = Object(spec).rolloutRestartTargets !== undefined;
  return { hasTargets, ...(typeof wish === "string" ? { wish } : {}) };
}

function declarations({ server }: MemoryCluster, kind: string): readonly Stored[] {
  const served = server.kindOf(API, kind);
  return served ? server.objects.list(served) : [];
}

export function secretsIn({ server }: MemoryCluster): readonly Stored[] {
  const kind = server.kindOf("v1", "Secret");
  return kind ? server.objects.list(kind, NAMESPACE) : [];
}

export function ownersOf({ metadata }: Json): readonly string[] {
  return ((Object(metadata).ownerReferences ?? []) as { readonly uid: string }[]).map(({ uid }) => uid);
}

/** The part of a declaration that says how its replaced credentials end. */
function saysOf({ spec, metadata: { annotations } }: Stored): unknown {
  return [spec, Object(annotations)[REVOKE_REPLACED]];
}

/** What a lease in Vault calls the credential of this Secret. */
export function aboutOf(secret: Json): string | undefined {
  const { username, certificate } = dataOf(secret);
  if (username !== undefined) return username;
  return certificate === undefined ? undefined : serialOf(certificate);
}

export function dataOf(secret: Json): Readonly<Record<string, string | undefined>> {
  const data = Object(secret.data) as Record<string, string>;
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, Buffer.from(value, "base64").toString("utf8")]),
  );
}

const serials = new Map<string, string>();

function serialOf(pem: string): string {
  const known = serials.get(pem);
  if (known !== undefined) return known;
  const hex = new X509Certificate(pem).serialNumber.toLowerCase();
  const serial = (hex.length % 2 === 0 ? hex : `0${hex}`).replace(/(..)(?!$)/g, "$1:");
  if (serials.size > 1_000) serials.clear();
  serials.set(pem, serial);
  return serial;
}
