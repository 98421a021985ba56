import { fingerprint } from "../lib/digest.ts";
import { partsOf, type ReferenceKey, referenceKey, type SyncKey, syncKey } from "../lib/keys.ts";
import type { ClusterSettings } from "../lib/ports/fleet.ts";
import type { Issue } from "../lib/ports/issues.ts";
import { type Declared, EMPTY_STATE, type Place, type Pushed, type Reference, type Row } from "../lib/ports/rows.ts";

/** Cluster `east`, all of it watched, whose defaults are in namespace `vso`. */
export function aCluster(overrides: Partial<ClusterSettings> = {}): ClusterSettings {
  return {
    name: "east",
    labels: {},
    observe: "watch",
    namespaces: { include: ["*"], exclude: [] },
    operatorNamespace: "vso",
    ...overrides,
  };
}

/** The key of a VaultStaticSecret in cluster `east`, namespace `shop`. */
export function aKey(name = "db", cluster = "east"): SyncKey {
  return syncKey({ cluster, kind: "VaultStaticSecret", namespace: "shop", name });
}

/** The key of a VaultAuth in cluster `east`, namespace `shop`. */
export function aReferenceKey(name = "default", cluster = "east"): ReferenceKey {
  return referenceKey({ cluster, kind: "VaultAuth", namespace: "shop", name });
}

/** A valid declaration: kv-v2 `kv/data/<name>` into Secret `<name>`. uid, hash and group follow from key and spec. */
export function aDeclared(overrides: Partial<Declared> = {}): Declared {
  const key = overrides.key ?? aKey();
  const { name } = partsOf(key);
  const spec = overrides.spec ?? {
    type: "kv-v2",
    mount: "kv",
    path: name,
    refreshAfter: "60s",
    destination: { name, create: true },
    vaultAuthRef: "default",
  };
  const uid = overrides.uid ?? `uid-of-${key}`;
  return {
    key,
    uid,
    generation: 1,
    hash: fingerprint(uid, JSON.stringify(spec)),
    labels: {},
    annotations: {},
    spec,
    group: fingerprint("default", "kv", name),
    deleting: false,
    seen: { resourceVersion: "100", status: {} },
    ...overrides,
  };
}

/** A row as it stands after `declare` at `fence` (an EpochMs): never synced, due at once. */
export function aRow(overrides: Partial<Row> = {}): Row {
  const declared = overrides.declared ?? aDeclared(overrides.key === undefined ? {} : { key: overrides.key });
  const fence = overrides.fence ?? Date.UTC(2030, 0, 1);
  return {
    key: declared.key,
    declared,
    state: EMPTY_STATE,
    nudges: 0,
    verify: false,
    fence,
    dueAt: fence,
    ...overrides,
  };
}

/** `kv/<name>` of the Vault that fleet.yaml calls main, read. */
export function aPlace(name = "db"): Place {
  return { vault: "main", path: `kv/${name}`, role: "read" };
}

/** An issue that is in use. */
export function anIssue(overrides: Partial<Issue> = {}): Issue {
  return {
    serial: "0001",
    state: "live",
    sealedToken: "c2VhbGVk",
    target: "t1",
    askBefore: Date.UTC(2030, 0, 1),
    tokenSeconds: 3_600,
    tokenRenewable: true,
    vaultLease: { id: "database/creds/app/x", seconds: 600, renewable: true, issuedAt: Date.UTC(2030, 0, 1) },
    ...overrides,
  };
}

/** The path `kv/<name>` of the Vault `main`, pushed to. */
export function aPushed(name = "db", overrides: Partial<Pushed> = {}): Pushed {
  return { vault: "main", mount: "kv", path: name, engine: "kv-v2", ...overrides };
}

/** A VaultAuth by the Kubernetes method. */
export function aReference(overrides: Partial<Reference> = {}): Reference {
  const key = overrides.key ?? aReferenceKey();
  const spec = overrides.spec ?? {
    method: "kubernetes",
    mount: "kubernetes",
    kubernetes: { role: "shop", serviceAccount: "default" },
  };
  const uid = overrides.uid ?? `uid-of-${key}`;
  return {
    key,
    uid,
    generation: 1,
    hash: fingerprint(uid, JSON.stringify(spec)),
    labels: {},
    annotations: {},
    spec,
    ...overrides,
  };
}
