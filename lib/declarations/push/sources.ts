import { isDnsSubdomain } from "../../names.ts";
import type { PushSettings } from "../../ports/fleet-push.ts";
import type { AnnotatedKind } from "../../resource-kinds.ts";
import { asObject } from "../../util/canonical.ts";
import type { Json, JsonObject } from "../../util/json.ts";

/** A Secret that a pod template refers to. */
export interface MountedSecret {
  readonly name: string;
  /** Everything that refers to it does without it. */
  readonly optional: boolean;
}

/**
 * The maximum number of Secrets of one pod template: their paths, and as many former ones, fit into one transaction of
 * DynamoDB, which has 100 items.
 */
export const MAX_SOURCES = 40;
/** The maximum length of a list in a pod template that is looked at. */
const MAX_ITEMS = 2_000;

export type SourceOptions = Pick<PushSettings, "projectedVolumes" | "imagePullSecrets">;

/**
 * The Secrets that a workload's pod template refers to, each once, by name: `env`, `envFrom` and volumes of containers
 * and init containers, and by option projected volumes and imagePullSecrets.
 */
export function mountedSecrets(
  kind: AnnotatedKind,
  spec: JsonObject,
  options: SourceOptions,
): readonly MountedSecret[] {
  const pod = podOf(kind, spec);
  const found = [
    ...[...listOf(pod.containers), ...listOf(pod.initContainers)].flatMap(ofContainer),
    ...listOf(pod.volumes).flatMap((volume) => ofVolume(volume, options)),
    ...(options.imagePullSecrets ? listOf(pod.imagePullSecrets).flatMap((ref) => named(ref.name, ref)) : []),
  ];
  const optional = new Map<string, boolean>();
  for (const one of found) optional.set(one.name, one.optional && (optional.get(one.name) ?? true));
  return [...optional].map(([name, isOptional]) => ({ name, optional: isOptional })).sort(byName);
}

function byName(a: MountedSecret, b: MountedSecret): number {
  return a.name < b.name ? -1 : 1;
}

function podOf(kind: AnnotatedKind, spec: JsonObject): JsonObject {
  const job = kind === "CronJob" ? at(at(spec, "jobTemplate"), "spec") : spec;
  return at(at(job, "template"), "spec");
}

function at(object: JsonObject, name: string): JsonObject {
  return asObject(object[name]) ?? {};
}

function listOf(value: Json | undefined): readonly JsonObject[] {
  if (!Array.isArray(value)) return [];
  return value
    .slice(0, MAX_ITEMS)
    .map(asObject)
    .filter((item) => item !== undefined);
}

function ofContainer(container: JsonObject): readonly MountedSecret[] {
  const env = listOf(container.env).map((item) => at(at(item, "valueFrom"), "secretKeyRef"));
  const whole = listOf(container.envFrom).map((item) => at(item, "secretRef"));
  return [...env, ...whole].flatMap((ref) => named(ref.name, ref));
}

function ofVolume(volume: JsonObject, { projectedVolumes }: SourceOptions): readonly MountedSecret[] {
  const own = at(volume, "secret");
  const projected = projectedVolumes
    ? listOf(at(volume, "projected").sources).map((source) => at(source, "secret"))
    : [];
  return [...named(own.secretName, own), ...projected.flatMap((source) => named(source.name, source))];
}

function named(name: Json | undefined, { optional }: JsonObject): readonly MountedSecret[] {
  return typeof name === "string" && isDnsSubdomain(name) ? [{ name, optional: optional === true }] : [];
}

/** The Secrets of a stored declaration, as discovery wrote them. */
export function storedSecrets({ mounted }: JsonObject): readonly MountedSecret[] {
  return listOf(mounted).flatMap(({ name, optional }) => named(name, { optional: optional === true }));
}
