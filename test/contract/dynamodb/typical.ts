import { fingerprint } from "../../../lib/digest.ts";
import type { SyncKey } from "../../../lib/keys.ts";
import { partsOf, referenceKey } from "../../../lib/keys.ts";
import { nextStatus } from "../../../lib/origins/status.ts";
import { type Declared, EMPTY_STATE, type RowState } from "../../../lib/ports/rows.ts";
import { VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { aDeclared, aKey } from "../../builders.ts";
import { START } from "../lease-store/scene.ts";

const UID = "7c1f3a52-6d1e-4a9b-9f0c-2b8f5d1e7a64";
const MAC = Buffer.alloc(32, "m").toString("base64");
const DIGEST = `0123456789ab:${Buffer.alloc(32, "d").toString("base64")}`;

export const TYPICAL_KEY: SyncKey = aKey("payments-database", "prod-eu-west-1");

function statusOf(generation: number) {
  return nextStatus(
    {},
    { kind: VAULT_STATIC_SECRET, generation, outcome: { kind: "synced", mac: MAC, wrote: "x" }, now: START },
  );
}

/** A declaration as people write them, synced before. */
export function typicalDeclared(overrides: Partial<Declared> = {}): Declared {
  const spec = {
    type: "kv-v2",
    mount: "teams/payments/kv",
    path: "production/payments/database",
    namespace: "platform",
    refreshAfter: "60s",
    hmacSecretData: true,
    vaultAuthRef: "payments",
    rolloutRestartTargets: [{ kind: "Deployment", name: "payments-api" }],
    destination: { name: "payments-database", create: true, labels: { "app.kubernetes.io/name": "payments" } },
  };
  return aDeclared({
    key: TYPICAL_KEY,
    uid: UID,
    labels: { "app.kubernetes.io/instance": "payments", "app.kubernetes.io/managed-by": "argocd" },
    annotations: { "argocd.argoproj.io/tracking-id": "payments:secrets.hashicorp.com/VaultStaticSecret:shop/database" },
    spec,
    seen: { resourceVersion: "184467440", status: statusOf(1) },
    ...overrides,
  });
}

/** The state of a sync that has written its Secret. */
export function typicalState(overrides: Partial<RowState> = {}): RowState {
  const { cluster, namespace, name } = partsOf(TYPICAL_KEY);
  const ref = (kind: string, called: string) => referenceKey({ cluster, kind, namespace, name: called });
  return {
    ...EMPTY_STATE,
    refs: [ref("VaultAuth", "payments"), ref("VaultConnection", "default")],
    place: {
      vault: "https://vault.example.com:8200",
      path: "platform/teams/payments/kv/production/payments/database",
      role: "read",
    },
    waitsFor: "vault:https://vault.example.com:8200",
    digest: DIGEST,
    rolledDigest: DIGEST,
    own: { version: { number: 12, createdTime: "2029-12-31T23:59:59.123456789Z", of: fingerprint("place") } },
    owned: [{ name, uid: UID, resourceVersion: "184467999", managed: fingerprint("managed"), type: "Opaque" }],
    appliedHash: fingerprint("hash"),
    seen: { resourceVersion: "184468001", status: statusOf(1), hash: fingerprint("hash") },
    syncedAt: START,
    ...overrides,
  };
}
