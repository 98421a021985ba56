import { SyncError } from "../../errors.ts";
import { partsOf } from "../../keys.ts";
import type { Admission } from "../../kubernetes/admission.ts";
import { accepted } from "../../kubernetes/cluster-client.ts";
import type { KubeCall } from "../../kubernetes/kube-call.ts";
import { MANAGER } from "../../kubernetes/managed-fields.ts";
import { type Shape, shapeAt, shapesAt, textAt, textsAt } from "../../kubernetes/shapes.ts";
import { type KindRef, SECRET } from "../../resource-kinds.ts";
import { parallel } from "../../util/parallel.ts";
import { kubectl, shellWord } from "../../util/shell.ts";
import type { Check, Surveyed } from "../context.ts";
import { type Finding, finding, type Remedy } from "../finding.ts";
import { advice, commands } from "../remedies.ts";

/** The most namespaces of a cluster in which a dry run is made. */
const MAX_NAMESPACES = 200;

/** Asks the API server whether it would create a Secret in each namespace that declares one: a dry run, which stores nothing. */
export const admission: Check<Surveyed> = {
  subject: "admission and quotas",
  async find(surveyed) {
    const byNamespace = Map.groupBy(surveyed.work.syncs, ({ key }) => partsOf(key).namespace);
    // A missing right would only be found once more.
    const denied = new Set(
      surveyed.missingRights
        .filter(({ resource, verb, optional }) => resource === SECRET.resource && verb === "create" && !optional)
        .map(({ namespace }) => namespace),
    );
    const open = [...byNamespace.keys()].filter((namespace) => !denied.has(namespace) && !denied.has(undefined));
    const webhooks = await webhooksOf(surveyed);
    const found = await parallel(open.slice(0, MAX_NAMESPACES), (namespace) => dryRun(surveyed, namespace, webhooks));
    return [...unique(found.flat()), ...failClosed(surveyed, webhooks)];
  },
};

/** One broken webhook is one finding, not one for each namespace. */
function unique(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((one) => [`${one.code} ${one.where}`, one])).values()];
}

const SAMPLE = "keyferry-doctor";

async function dryRun(
  surveyed: Surveyed,
  namespace: string,
  webhooks: readonly Webhook[],
): Promise<readonly Finding[]> {
  const { deps, settings, signal } = surveyed;
  const cluster = settings.name;
  const labels = { "app.kubernetes.io/managed-by": "hashicorp-vso", "app.kubernetes.io/component": "secret-sync" };
  const metadata = { name: SAMPLE, namespace, labels };
  const body = { apiVersion: "v1", kind: "Secret", type: "Opaque", metadata };
  const query = { dryRun: "All", fieldManager: MANAGER };
  const call: KubeCall = { cluster, verb: "create", kind: SECRET, namespace, query, body };
  const answer = await deps.clients.send(call, signal);
  if (!("failure" in answer)) return [];
  const refused = answer.failure.status?.admission;
  if (refused !== undefined) return admissionFinding(surveyed, namespace, refused, webhooks);
  try {
    accepted(call, answer);
  } catch (error) {
    if (error instanceof SyncError && error.code === "QUOTA_EXCEEDED") return quotaFindings(surveyed, namespace);
  }
  return [];
}

function admissionFinding(
  surveyed: Surveyed,
  namespace: string,
  { by, how, name }: Admission,
  webhooks: readonly Webhook[],
): readonly Finding[] {
  const cluster = surveyed.settings.name;
  const where = `${by} ${name ?? "without a readable name"}`;
  if (how === "broken") {
    const config = webhooks.find((webhook) => webhook.name === name);
    const what = `it does not answer, so no Secret can be written in namespace ${namespace}`;
    return [finding("ADMISSION_BROKEN", { cluster, where, what, remedy: openWebhook(surveyed, config) })];
  }
  const what =
    how === "denied"
      ? `it denies a Secret without data in namespace ${namespace}`
      : "it does not support dry runs, by which keyferry reads and plans";
  const remedy = advice(
    how === "denied"
      ? "Ask its operator what it requires; destination.labels and destination.annotations of a declaration can give it."
      : "If it has no side effects, set sideEffects: None in its configuration.",
  );
  return [finding("ADMISSION_DENIES", { cluster, where, what, remedy })];
}

function openWebhook({ deps }: Surveyed, config: Webhook | undefined): Remedy {
  if (config === undefined) {
    return advice("Start the service of the webhook, or set its failurePolicy to Ignore.");
  }
  const patch = [{ op: "replace", path: `/webhooks/${config.at}/failurePolicy`, value: "Ignore" }];
  return commands(
    [
      kubectl(
        deps.context,
        `patch ${config.resource} ${shellWord(config.configuration)} --type=json -p ${shellWord(JSON.stringify(patch))}`,
      ),
    ],
    ["Better: start the service of the webhook. This admits objects without it while it is down."],
  );
}

const QUOTA: KindRef = { group: "", version: "v1", resource: "resourcequotas", kind: "ResourceQuota" };
const QUOTA_KEYS = ["secrets", "count/secrets"];

/** The quotas that have no room left, as far as keyferry may list them. */
async function quotaFindings(
  { deps, settings, work, signal }: Surveyed,
  namespace: string,
): Promise<readonly Finding[]> {
  const cluster = settings.name;
  const call: KubeCall = { cluster, verb: "list", kind: QUOTA, namespace, query: { limit: "100" } };
  const answer = await deps.clients.send(call, signal);
  const items = "failure" in answer ? [] : shapesAt(answer.object, "items");
  const wanted = work.syncs.filter(({ key }) => partsOf(key).namespace === namespace).length;
  const full = items.flatMap((item) => fullKeys(item).map((key) => ({ item, key })));
  const what = "no room is left for another Secret";
  if (full.length === 0) {
    const remedy = advice(`Raise the quota of secrets: ${kubectl(deps.context, `get resourcequota -n ${namespace}`)}`);
    return [finding("QUOTA_EXCEEDED", { cluster, where: `namespace ${namespace}`, what, remedy })];
  }
  return full.map(({ item, key }) => {
    const name = textAt(shapeAt(item, "metadata"), "name") ?? "";
    const hard = String(Number(textsAt(shapeAt(item, "status"), "used")[key]) + wanted);
    const patch = JSON.stringify({ spec: { hard: { [key]: hard } } });
    const remedy = commands(
      [
        kubectl(
          deps.context,
          `patch resourcequota ${shellWord(name)} -n ${namespace} --type=merge -p ${shellWord(patch)}`,
        ),
      ],
      [`Makes room for the ${wanted} Secrets that this namespace declares.`],
    );
    return finding("QUOTA_EXCEEDED", { cluster, where: `ResourceQuota ${namespace}/${name}`, what, remedy });
  });
}

function fullKeys(item: Shape): readonly string[] {
  const status = shapeAt(item, "status");
  const [hard, used] = [textsAt(status, "hard"), textsAt(status, "used")];
  return QUOTA_KEYS.filter((key) => hard[key] !== undefined && Number(used[key]) >= Number(hard[key]));
}

interface Webhook {
  readonly name: string;
  readonly configuration: string;
  /** Its place in the configuration. */
  readonly at: number;
  readonly resource: string;
  readonly closed: boolean;
}

const CONFIGURATIONS = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] as const;

/** The webhooks for Secrets. Empty when keyferry may not list them: it needs no such right for its work. */
async function webhooksOf({ deps, settings, signal }: Surveyed): Promise<readonly Webhook[]> {
  const lists = await Promise.all(
    CONFIGURATIONS.map(async (resource) => {
      const kind: KindRef = { group: "admissionregistration.k8s.io", version: "v1", resource, kind: "" };
      const call: KubeCall = { cluster: settings.name, verb: "list", kind, query: { limit: "500" } };
      const answer = await deps.clients.send(call, signal);
      const items = "failure" in answer ? [] : shapesAt(answer.object, "items");
      return items.flatMap((item) => webhooksIn(item, resource));
    }),
  );
  return lists.flat();
}

function webhooksIn(item: Shape, resource: string): readonly Webhook[] {
  const configuration = textAt(shapeAt(item, "metadata"), "name") ?? "";
  return shapesAt(item, "webhooks").flatMap((webhook, at) =>
    shapesAt(webhook, "rules").some(coversSecrets)
      ? { name: textAt(webhook, "name") ?? "", configuration, at, resource, closed: webhook.failurePolicy !== "Ignore" }
      : [],
  );
}

/** Whether a rule of a webhook concerns writes of Secrets. */
export function coversSecrets(rule: Shape): boolean {
  const has = (member: string, ...wanted: readonly string[]): boolean => {
    const list = rule[member];
    return Array.isArray(list) && wanted.some((text) => list.includes(text));
  };
  return (
    has("apiGroups", "", "*") && has("resources", "secrets", "*", "*/*") && has("operations", "CREATE", "UPDATE", "*")
  );
}

function failClosed({ settings }: Surveyed, webhooks: readonly Webhook[]): readonly Finding[] {
  return webhooks
    .filter(({ closed }) => closed)
    .map(({ name, resource, configuration }) =>
      finding("WEBHOOK_FAILS_CLOSED", {
        cluster: settings.name,
        where: `webhook ${name}`,
        what: `it is asked for each write of a Secret, and fails closed (${resource} ${configuration})`,
      }),
    );
}
