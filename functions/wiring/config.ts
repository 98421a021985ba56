import { z } from "zod";
import { InputError } from "../../lib/errors.ts";
import { complaintsOf } from "../../lib/util/complaints.ts";

/** A queue and its dead-letter queue. */
export interface QueueConfig {
  readonly url: string;
  readonly deadLetters: string;
}

/** The environment of the functions. Read once, when a function starts. */
export interface Config {
  readonly stack: string;
  readonly table: string;
  /** `s3://bucket/key`, or a path in the function's package. */
  readonly fleet: string;
  /** Stored in each cluster, so that two installations notice each other (lease-table 25). */
  readonly installation: string;
  /** The parameter with the key of digests, and the KMS key that encrypts it. */
  readonly digestKey: { readonly parameter: string; readonly kmsKey: string };
  /** The parameter with the key that encrypts Vault tokens. */
  readonly tokenKey: { readonly parameter: string; readonly kmsKey: string };
  readonly renew: QueueConfig;
  readonly now: QueueConfig;
  readonly refresh: QueueConfig;
  readonly discovery: QueueConfig;
  /** The bus for domain events; missing: none are sent. */
  readonly eventBus?: string;
  /** Events of audit lines that were given up. */
  readonly auditDeadLetters: string;
  /** Concurrent invocations for the refresh lane. */
  readonly refreshConcurrency: number;
  /** Concurrent invocations for all lanes: the processes that share the budgets of Vaults. */
  readonly reconcileConcurrency: number;
  /** Clusters in which a person accepts that many declarations are gone at once. */
  readonly acceptMissing: readonly string[];
  readonly metrics: {
    /** Whether metrics of how well clusters are served are sent for each cluster, too. */
    readonly byCluster: boolean;
  };
  readonly logLevel: "debug" | "info" | "warn" | "error";
}

const text = z.string().trim().min(1);
const url = text.refine((value) => URL.canParse(value), "must be a URL");
const fleet = text.refine(
  (value) => !value.startsWith("s3:") || /^s3:\/\/[^/]+\/.+/.test(value),
  "must be s3://BUCKET/KEY, or a path in the package",
);

const concurrency = text.regex(/^[1-9][0-9]{0,3}$/, "must be a whole number from 1 to 9999");

const VARIABLES = z.object({
  KEYFERRY_STACK: text,
  KEYFERRY_TABLE: text,
  KEYFERRY_FLEET: fleet,
  KEYFERRY_INSTALLATION: text,
  KEYFERRY_DIGEST_KEY_PARAMETER: text,
  KEYFERRY_TOKEN_KEY_PARAMETER: text,
  KEYFERRY_KMS_KEY: text,
  KEYFERRY_RENEW_QUEUE: url,
  KEYFERRY_RENEW_DEAD_LETTERS: url,
  KEYFERRY_NOW_QUEUE: url,
  KEYFERRY_NOW_DEAD_LETTERS: url,
  KEYFERRY_REFRESH_QUEUE: url,
  KEYFERRY_REFRESH_DEAD_LETTERS: url,
  KEYFERRY_DISCOVERY_QUEUE: url,
  KEYFERRY_DISCOVERY_DEAD_LETTERS: url,
  KEYFERRY_EVENT_BUS: z.string().trim().default(""),
  KEYFERRY_VAULT_AUDIT_DEAD_LETTERS: url,
  KEYFERRY_RENEW_CONCURRENCY: concurrency.default("5"),
  KEYFERRY_NOW_CONCURRENCY: concurrency.default("10"),
  KEYFERRY_REFRESH_CONCURRENCY: concurrency.default("10"),
  KEYFERRY_ACCEPT_MISSING: z.string().default(""),
  KEYFERRY_METRICS_BY_CLUSTER: z.enum(["true", "false"]).default("false"),
  KEYFERRY_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
});

/** The names of all variables that are read: a test compares the template with them. */
export const VARIABLE_NAMES: readonly string[] = Object.keys(VARIABLES.shape);

/** Throws an InputError with all problems. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const parsed = VARIABLES.safeParse(env);
  if (!parsed.success) {
    const complaints = complaintsOf(parsed.error, env).map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new InputError("the function's environment", complaints);
  }
  const found = parsed.data;
  return Object.freeze({
    stack: found.KEYFERRY_STACK,
    table: found.KEYFERRY_TABLE,
    fleet: found.KEYFERRY_FLEET,
    installation: found.KEYFERRY_INSTALLATION,
    digestKey: { parameter: found.KEYFERRY_DIGEST_KEY_PARAMETER, kmsKey: found.KEYFERRY_KMS_KEY },
    tokenKey: { parameter: found.KEYFERRY_TOKEN_KEY_PARAMETER, kmsKey: found.KEYFERRY_KMS_KEY },
    renew: { url: found.KEYFERRY_RENEW_QUEUE, deadLetters: found.KEYFERRY_RENEW_DEAD_LETTERS },
    now: { url: found.KEYFERRY_NOW_QUEUE, deadLetters: found.KEYFERRY_NOW_DEAD_LETTERS },
    refresh: { url: found.KEYFERRY_REFRESH_QUEUE, deadLetters: found.KEYFERRY_REFRESH_DEAD_LETTERS },
    discovery: { url: found.KEYFERRY_DISCOVERY_QUEUE, deadLetters: found.KEYFERRY_DISCOVERY_DEAD_LETTERS },
    ...(found.KEYFERRY_EVENT_BUS === "" ? {} : { eventBus: found.KEYFERRY_EVENT_BUS }),
    auditDeadLetters: found.KEYFERRY_VAULT_AUDIT_DEAD_LETTERS,
    refreshConcurrency: Number(found.KEYFERRY_REFRESH_CONCURRENCY),
    reconcileConcurrency:
      Number(found.KEYFERRY_RENEW_CONCURRENCY) +
      Number(found.KEYFERRY_NOW_CONCURRENCY) +
      Number(found.KEYFERRY_REFRESH_CONCURRENCY),
    acceptMissing: found.KEYFERRY_ACCEPT_MISSING.split(",")
      .map((name) => name.trim())
      .filter((name) => name !== ""),
    metrics: Object.freeze({ byCluster: found.KEYFERRY_METRICS_BY_CLUSTER === "true" }),
    logLevel: found.KEYFERRY_LOG_LEVEL,
  });
}
