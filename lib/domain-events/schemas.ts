import { z } from "zod";
import type { JsonObject } from "../util/json.ts";

/**
 * The details of each domain event: names, codes, reasons and times, never a value, and no text that a tenant wrote
 * other than names. Later versions may add members.
 */

const time = z.string().meta({ format: "date-time" });
const credential = z
  .string()
  .optional()
  .describe("keyferry's own id of the credential, as in its log; missing when Vault keeps no lease for it.");

const EACH = {
  id: z.string().describe("The same each time that this event is sent: use it to drop repetitions."),
  time: time.describe("When it happened, UTC."),
  cluster: z.string().describe("The cluster's name in fleet.yaml."),
};

const OF_SYNC = {
  ...EACH,
  key: z.string().describe("The sync, as `keyferry status` shows it: cluster/kind/namespace/name."),
  kind: z.string().describe("The kind of the declaring resource."),
  namespace: z.string().describe("Its namespace."),
  name: z.string().describe("Its name."),
};

const secret = z.string().describe("The name of the Secret.");
const target = z.looseObject({ kind: z.string(), name: z.string() });

/** The targets that one event names. */
export const MOST_TARGETS = 20;

export const EVENT_SCHEMAS = {
  SecretSynced: z
    .looseObject({
      ...OF_SYNC,
      secret,
      reason: z
        .enum(["first", "adopted", "data", "declaration"])
        .describe(
          "first: written for the first time; adopted: it was in step already; data: Vault's data changed; declaration: the resource changed.",
        ),
    })
    .describe("A Secret holds what its declaration asks for, after a change."),
  SyncFailed: z
    .looseObject({
      ...OF_SYNC,
      code: z.string().describe("The error's code: docs/errors.md says what to do."),
      disposition: z.enum(["retry", "recheck", "park", "drop"]).describe("What keyferry does next."),
      since: time.describe("Since when it fails with this code, UTC."),
    })
    .describe("A sync fails, or fails with another code than before. Sent once, not with each attempt."),
  SyncRecovered: z
    .looseObject({
      ...OF_SYNC,
      code: z.string().describe("The code of the failure that is over."),
      since: time.describe("Since when it failed with this code, UTC."),
    })
    .describe("A sync that failed is in step again."),
  DriftRepaired: z
    .looseObject({ ...OF_SYNC, secret })
    .describe("Another program or a person changed or deleted a Secret, and keyferry restored it."),
  CredentialIssued: z
    .looseObject({
      ...OF_SYNC,
      credential,
      leaseSeconds: z.int().optional().describe("The TTL of Vault's lease at first; missing: it has none."),
      renewable: z.boolean().optional().describe("Whether Vault renews that lease."),
    })
    .describe("Vault issued a credential or certificate, and its Secret holds it."),
  CredentialRevoked: z
    .looseObject({ ...OF_SYNC, credential: z.string() })
    .describe("A former credential was revoked in Vault. One that ended by itself has no event."),
  LeaseAtRisk: z
    .looseObject({ ...OF_SYNC, credential: z.string(), endsAt: time.describe("Until when it is valid at least, UTC.") })
    .describe("Vault does not answer the renewals of a credential that is in use."),
  RolloutTriggered: z
    .looseObject({
      ...OF_SYNC,
      restarts: z.int().describe("The number of restarted workloads."),
      targets: z.array(target).max(MOST_TARGETS).describe(`The restarted workloads, at most ${MOST_TARGETS}.`),
    })
    .describe("Workloads were restarted because their Secret changed."),
  ClusterUnreachable: z
    .looseObject({ ...EACH, code: z.string().describe("Why: docs/errors.md."), since: time })
    .describe("A cluster does not answer: its syncs wait."),
  ClusterReachable: z
    .looseObject({ ...EACH, since: time.describe("Since when it did not answer, UTC."), seconds: z.number() })
    .describe("A cluster answers again: its syncs go on."),
} as const;

export type EventKind = keyof typeof EVENT_SCHEMAS;

export const EVENT_KINDS = Object.keys(EVENT_SCHEMAS) as readonly EventKind[];

/** The JSON schema of an event's detail. */
export function eventJsonSchema(kind: EventKind): JsonObject {
  const { $schema, ...schema } = z.toJSONSchema(EVENT_SCHEMAS[kind]) as JsonObject;
  return { ...($schema === undefined ? {} : { $schema }), title: kind, ...schema };
}
