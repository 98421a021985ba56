import { z } from "zod";
import type { KindRef } from "../resource-kinds.ts";
import {
  SECRET_TRANSFORMATION,
  VAULT_AUTH,
  VAULT_AUTH_GLOBAL,
  VAULT_CONNECTION,
  VAULT_DYNAMIC_SECRET,
  VAULT_PKI_SECRET,
  VAULT_PUSH_SECRET,
  VAULT_STATIC_SECRET,
} from "../resource-kinds.ts";
import { type DeclaredKind, SPECS } from "./parse.ts";
import { vaultPushSecretSpec, vaultPushSecretStatus } from "./push/push-secret.ts";
import { secretTransformationStatus } from "./secret-transformation.ts";
import { UNOBSERVED } from "./status.ts";
import { vaultAuthStatus } from "./vault-auth.ts";
import { vaultAuthGlobalStatus } from "./vault-auth-global.ts";
import { vaultConnectionStatus } from "./vault-connection.ts";
import { vaultDynamicSecretStatus } from "./vault-dynamic-secret.ts";
import { vaultPkiSecretStatus } from "./vault-pki-secret.ts";
import { vaultStaticSecretStatus } from "./vault-static-secret.ts";

/** A JSON schema, or a part of one. */
type Schema = { [key: string]: unknown };

interface Column {
  readonly name: string;
  readonly type: string;
  readonly description: string;
  readonly jsonPath: string;
}

function condition(name: string, type: string, description: string): Column {
  return { name, type: "string", description, jsonPath: `.status.conditions[?(@.type=="${type}")].status` };
}

const SYNCED = condition("Synced", "SecretSynced", "Whether the Secret is in step with Vault.");
const HEALTHY = condition("Healthy", "Healthy", "Whether the last refresh succeeded.");
const READY = condition("Ready", "Ready", "Whether it is ready for use.");
const AGE: Column = {
  name: "Age",
  type: "date",
  description: "Since creation.",
  jsonPath: ".metadata.creationTimestamp",
};

const OF_SECRETS = [SYNCED, HEALTHY, READY, AGE];
const OF_OTHERS = [HEALTHY, READY, AGE];

interface Definition {
  readonly kind: KindRef;
  readonly description: string;
  /** Missing: that of SPECS. */
  readonly spec?: z.ZodType;
  readonly status: z.ZodType;
  /** What a status contains beside the generation before the first observation; missing: that kind has none. */
  readonly unobserved?: Schema;
  readonly columns: readonly Column[];
}

/** The kinds with a CRD of ours, with VSO's printer columns. */
const DEFINITIONS: readonly Definition[] = [
  {
    kind: VAULT_CONNECTION,
    description: "A Vault, and how to reach it.",
    status: vaultConnectionStatus,
    unobserved: { valid: false },
    columns: OF_OTHERS,
  },
  {
    kind: VAULT_AUTH,
    description: "A way to log in to Vault.",
    status: vaultAuthStatus,
    unobserved: {},
    columns: OF_OTHERS,
  },
  {
    kind: VAULT_AUTH_GLOBAL,
    description: "Settings that several VaultAuths share.",
    status: vaultAuthGlobalStatus,
    columns: [],
  },
  {
    kind: VAULT_STATIC_SECRET,
    description: "Syncs a path of Vault's kv engine to a Secret.",
    status: vaultStaticSecretStatus,
    unobserved: { lastGeneration: 0 },
    columns: OF_SECRETS,
  },
  {
    kind: VAULT_DYNAMIC_SECRET,
    description: "Syncs credentials that Vault creates on demand to a Secret.",
    status: vaultDynamicSecretStatus,
    unobserved: {
      lastGeneration: 0,
      lastRenewalTime: 0,
      secretLease: { id: "", duration: 0, renewable: false, requestID: "" },
    },
    columns: OF_SECRETS,
  },
  {
    kind: VAULT_PKI_SECRET,
    description: "Syncs a certificate that Vault issues to a Secret.",
    status: vaultPkiSecretStatus,
    unobserved: { lastGeneration: 0, lastRotation: 0, valid: false, error: "" },
    columns: OF_SECRETS,
  },
  {
    kind: SECRET_TRANSFORMATION,
    description: "Templates and filters that several resources share.",
    status: secretTransformationStatus,
    unobserved: { valid: false, error: "" },
    columns: OF_OTHERS,
  },
];

/** keyferry's own resource. */
const PUSH_SECRET: Definition = {
  kind: VAULT_PUSH_SECRET,
  description: "Pushes Secrets to a path of Vault's kv engine.",
  spec: vaultPushSecretSpec,
  status: vaultPushSecretStatus,
  unobserved: { lastGeneration: 0 },
  columns: [
    { name: "Path", type: "string", description: "Where to, in Vault.", jsonPath: ".status.lastPushed.path" },
    { name: "Version", type: "integer", description: "Version there.", jsonPath: ".status.lastPushed.version" },
    condition("Synced", "SecretSynced", "Whether Vault is in step with the Secrets."),
    READY,
    AGE,
  ],
};

/**
 * Zod limits integers to what a double can hold; the API server's integers are wider, and need their format. It drops
 * unknown fields, and accepts no schema that refuses them.
 */
function structural({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: Schema }): void {
  if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
  if (zodSchema._zod.def.type !== "number") return;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  jsonSchema.format = "int64";
}

function schemaOf(schema: z.ZodType, description: string): Schema {
  const generated = z.toJSONSchema(schema, { target: "openapi-3.0", io: "input", override: structural });
  const { $schema: _ignored, ...rest } = generated as Schema;
  return { description, ...rest };
}

const IDENTITY = {
  apiVersion: { type: "string", description: "Version of the schema that this object follows." },
  kind: { type: "string", description: "Kind of this object." },
  metadata: { type: "object" },
};

/**
 * The status of an object that has none yet. The generation alone has no default: a status that another tool wrote
 * without it would say for ever that nothing was observed.
 */
function statusOf({ status, unobserved }: Definition): Schema {
  const schema = schemaOf(status, "The state that was last observed.");
  if (unobserved === undefined) return schema;
  return { ...schema, default: { ...unobserved, observedGeneration: UNOBSERVED } };
}

function versionOf(definition: Definition): Schema {
  const { kind, description, columns, spec = SPECS[definition.kind.kind as DeclaredKind] } = definition;
  return {
    name: kind.version,
    served: true,
    storage: true,
    ...(columns.length > 0 ? { additionalPrinterColumns: columns } : {}),
    schema: {
      openAPIV3Schema: {
        type: "object",
        description,
        ...(definition.spec === undefined ? {} : { required: ["spec"] }),
        properties: {
          ...IDENTITY,
          spec: schemaOf(spec, "The desired state."),
          status: statusOf(definition),
        },
      },
    },
    subresources: { status: {} },
  };
}

/** One CustomResourceDefinition for each kind of Vault Secrets Operator that we read, by its name. */
export function customResourceDefinitions(): ReadonlyMap<string, Schema> {
  return new Map(DEFINITIONS.map((definition) => [nameOf(definition), crdOf(definition)] as const));
}

/** The definition of VaultPushSecret, by its name. */
export function ownResourceDefinitions(): ReadonlyMap<string, Schema> {
  return new Map([[nameOf(PUSH_SECRET), crdOf(PUSH_SECRET)]]);
}

function nameOf({ kind }: Definition): string {
  return `${kind.resource}.${kind.group}`;
}

function crdOf(definition: Definition): Schema {
  const { kind } = definition;
  const names = {
    kind: kind.kind,
    listKind: `${kind.kind}List`,
    plural: kind.resource,
    singular: kind.kind.toLowerCase(),
  };
  const spec = { group: kind.group, names, scope: "Namespaced", versions: [versionOf(definition)] };
  const metadata = { name: nameOf(definition) };
  return { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", metadata, spec };
}
