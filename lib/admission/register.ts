import {
  type ClientConfig,
  CONFIGURATION,
  clientConfigPatch,
  keyIn,
  registeredConfig,
  versionOf,
  webhookConfiguration,
} from "./registration.ts";

/** The part of a cluster's API that is needed here. */
export interface Registrations {
  get(cluster: string, name: string, signal: AbortSignal): Promise<unknown>;
  apply(cluster: string, name: string, object: object, signal: AbortSignal): Promise<void>;
  patch(cluster: string, name: string, patch: object, signal: AbortSignal): Promise<void>;
}

/** Tells registrations of this process from those of another one, which would write its own again and again. */
export interface Ownership {
  /** Whether keyferry made this key here, or fleet.yaml has it. */
  isOwn(key: string): boolean;
  /** Whether a registration with another key may be replaced. */
  mayTakeOver(found: ClientConfig): Promise<boolean>;
}

/** `left`: it belongs to another keyferry. */
export type Registered = "created" | "updated" | "unchanged" | "taken-over" | "left";

/**
 * Registers the webhook in a cluster, or brings its URL, key and CA up to date. What else stands there stays: a person
 * may have set failurePolicy to Ignore during an outage. A change since it was read is a conflict.
 */
export async function register(
  registrations: Registrations,
  cluster: string,
  wanted: ClientConfig,
  { isOwn, mayTakeOver }: Ownership,
  signal: AbortSignal,
): Promise<Registered> {
  const found = await registrations.get(cluster, CONFIGURATION, signal);
  if (found === undefined) {
    await registrations.apply(cluster, CONFIGURATION, webhookConfiguration(wanted), signal);
    return "created";
  }
  const version = versionOf(found);
  const config = registeredConfig(found);
  if (config === undefined) {
    await registrations.apply(cluster, CONFIGURATION, webhookConfiguration(wanted, "annotation", version), signal);
    return "updated";
  }
  if (config.url === wanted.url && (config.caBundle ?? "") === (wanted.caBundle ?? "")) return "unchanged";
  const isOthers = !isOwn(keyIn(config));
  if (isOthers && !(await mayTakeOver(config))) return "left";
  await registrations.patch(cluster, CONFIGURATION, clientConfigPatch(wanted, version), signal);
  return isOthers ? "taken-over" : "updated";
}
