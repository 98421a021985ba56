import {
  type ClientConfig,
  CONFIGURATION,
  clientConfigPatch,
  registeredConfig,
  webhookConfiguration,
} from "./registration.ts";

/** The part of a cluster's API that is needed here. */
export interface Registrations {
  get(cluster: string, name: string, signal: AbortSignal): Promise<unknown>;
  apply(cluster: string, name: string, object: object, signal: AbortSignal): Promise<void>;
  patch(cluster: string, name: string, patch: object, signal: AbortSignal): Promise<void>;
}

/**
 * Registers the webhook in a cluster, or brings its URL, key and CA up to date. What else stands there stays: a person
 * may have set failurePolicy to Ignore during an outage.
 */
export async function register(
  registrations: Registrations,
  cluster: string,
  wanted: ClientConfig,
  signal: AbortSignal,
): Promise<"created" | "updated" | "unchanged"> {
  const found = await registrations.get(cluster, CONFIGURATION, signal);
  if (found === undefined) {
    await registrations.apply(cluster, CONFIGURATION, webhookConfiguration(wanted), signal);
    return "created";
  }
  const config = registeredConfig(found);
  if (config === undefined) {
    await registrations.apply(cluster, CONFIGURATION, webhookConfiguration(wanted), signal);
    return "updated";
  }
  if (config.url === wanted.url && (config.caBundle ?? "") === (wanted.caBundle ?? "")) return "unchanged";
  await registrations.patch(cluster, CONFIGURATION, clientConfigPatch(wanted), signal);
  return "updated";
}
