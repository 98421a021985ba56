import { besideUs, isBeforeUs, registered } from "../../admission/check.ts";
import { SyncError } from "../../errors.ts";
import { webhookConfigurations } from "../../kubernetes/webhook-configurations.ts";
import type { Check, Reached } from "../context.ts";
import { type Finding, finding } from "../finding.ts";
import { advice } from "../remedies.ts";

/** A vault-k8s beside keyferry's injector. Where keyferry injects no pods, vault-k8s is in nobody's way. */
export const injectors: Check<Reached> = {
  subject: "injectors",
  async find({ deps, settings, signal }) {
    const { name: cluster, injector } = settings;
    const configurations = await configurationsOf({ deps, settings, signal });
    const isSetUp = injector?.manage === true || (injector?.keys ?? []).length > 0;
    if (!isSetUp && registered(configurations) === undefined) return [];
    return besideUs(configurations).map((name) => besideFinding(cluster, name));
  },
};

/** Empty when this login may not list them: keyferry needs no such right for its work. */
async function configurationsOf({
  deps,
  settings,
  signal,
}: Pick<Reached, "deps" | "settings" | "signal">): Promise<readonly unknown[]> {
  try {
    return await webhookConfigurations(deps.clients).list(settings.name, signal);
  } catch (error) {
    if (error instanceof SyncError && error.code === "KUBE_DENIED") return [];
    throw error;
  }
}

function besideFinding(cluster: string, name: string): Finding {
  return finding("INJECTOR_BESIDE", {
    cluster,
    where: `MutatingWebhookConfiguration ${name}`,
    what: isBeforeUs(name)
      ? "it is vault-k8s's, and comes before keyferry's: vault-k8s injects pods, and keyferry leaves them as they are"
      : "it is vault-k8s's, and comes after keyferry's: vault-k8s injects pods while keyferry does not answer",
    remedy: advice(
      `Once keyferry injector check ${cluster} says that keyferry is reached, delete this configuration; docs/from-vault-k8s.md has all steps.`,
    ),
  });
}
