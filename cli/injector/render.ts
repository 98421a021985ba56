import { readFile } from "node:fs/promises";
import { text as textOf } from "node:stream/consumers";
import { parseAllDocuments, stringify } from "yaml";
import { InputError } from "../../lib/errors.ts";
import { readFleet } from "../../lib/fleet/read-fleet.ts";
import { codeOf } from "../../lib/util/error-code.ts";
import { print, printJson, say } from "../output.ts";
import { clusterOf } from "./places.ts";
import { injectedPod, withServiceAccount } from "./pods.ts";
import { reviewerOf, settingsOf } from "./settings.ts";

export interface RenderFlags {
  readonly fleet: string;
  readonly cluster?: string;
  readonly namespace?: string;
  readonly output: "yaml" | "json";
}

/** Prints a pod as the webhook makes it. It reaches no cluster. */
export async function renderCommand(file: string, flags: RenderFlags): Promise<number> {
  const { fleet } = await readFleet(flags.fleet);
  const [only, ...others] = fleet.clusters;
  const cluster = flags.cluster === undefined ? only : clusterOf(fleet, flags.cluster, flags.fleet);
  if (flags.cluster === undefined && others.length > 0) {
    throw new InputError("injector", [`${flags.fleet} has several clusters: choose one with --cluster`]);
  }
  const pod = await podIn(file);
  const namespace = flags.namespace ?? pod.metadata?.namespace ?? "default";
  const {
    pod: injected,
    result,
    reasons,
    warnings,
  } = injectedPod(reviewerOf(settingsOf(fleet, cluster)), {
    pod: withServiceAccount(pod),
    namespace,
  });
  for (const warning of warnings) say(`warning: ${warning}`);
  if (result === "refused" || result === "bad") {
    say(`the pod is refused: ${reasons.join("; ")}`);
    return 1;
  }
  if (result === "ignored") say("the pod stays as it is: it has no annotation vault.hashicorp.com/agent-inject: true");
  if (flags.output === "json") printJson(injected);
  else print(stringify(injected, { lineWidth: 0 }));
  return 0;
}

interface Pod {
  readonly kind?: string;
  readonly metadata?: { readonly namespace?: string; readonly name?: string };
  readonly spec?: object;
}

/** A Pod, or the pod template of a workload. */
async function podIn(file: string): Promise<Pod> {
  const objects = parseAllDocuments(await contentOf(file)).map((document) => {
    if (document.errors.length > 0) throw new InputError(file, [document.errors[0]?.message.split("\n")[0] ?? ""]);
    return document.toJS() as unknown;
  });
  const pods = objects.flatMap((object) => podOf(object) ?? []);
  const [pod, ...more] = pods;
  if (pod === undefined) throw new InputError(file, ["it holds no Pod, and no workload with a pod template"]);
  if (more.length > 0) throw new InputError(file, ["it holds more than one pod: put each into a file of its own"]);
  return pod;
}

function podOf(object: unknown): Pod | undefined {
  const { kind, metadata, spec } = (object ?? {}) as Pod & { spec?: { template?: Pod; jobTemplate?: unknown } };
  if (kind === "Pod") return object as Pod;
  const { template, jobTemplate } = spec ?? {};
  if (jobTemplate !== undefined) return podOf({ ...(jobTemplate as object), metadata });
  if (template === undefined) return undefined;
  const named = { generateName: `${metadata?.name ?? "pod"}-`, ...template.metadata };
  const namespace = metadata?.namespace === undefined ? {} : { namespace: metadata.namespace };
  return {
    ...({ apiVersion: "v1" } as object),
    kind: "Pod",
    metadata: { ...named, ...namespace },
    spec: template.spec ?? {},
  };
}

async function contentOf(file: string): Promise<string> {
  if (file === "-") return textOf(process.stdin);
  return readFile(file, "utf8").catch((error: unknown) => {
    throw new InputError(file, [`it can't be read (${codeOf(error) ?? "unknown"})`]);
  });
}
