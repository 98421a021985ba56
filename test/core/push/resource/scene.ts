import type { PushSettings } from "../../../../lib/ports/fleet-push.ts";
import { asObject } from "../../../../lib/util/canonical.ts";
import type { Json, JsonObject } from "../../../../lib/util/json.ts";
import { type ClusterObject, NAMESPACE } from "../../world/builders.ts";
import { aPushingWorld, aSecret } from "../../world/pushing.ts";
import type { World, WorldOptions } from "../../world/world.ts";

export const PATH = "apps/shop/app";
export const ONE = { user: "app", password: "one" };

export interface PushSecretSpec {
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespace?: string;
  readonly [field: string]: unknown;
}

/** A VaultPushSecret of Secret `db` to `kv/apps/shop/app`. */
export function aPushSecret(name = "app", spec: PushSecretSpec = {}): ClusterObject {
  const { labels = {}, namespace = NAMESPACE, ...rest } = spec;
  return {
    apiVersion: "keyferry.dev/v1alpha1",
    kind: "VaultPushSecret",
    metadata: { name, namespace, labels },
    spec: {
      destination: { mount: "kv", path: PATH },
      sources: [{ secretRef: { name: "db" } }],
      ...rest,
    },
  };
}

/** fleet.yaml allows VaultPushSecrets, and Secret `db` is there. */
export async function aWorldOfPushSecrets(
  push: Partial<PushSettings> = {},
  options: WorldOptions = {},
): Promise<World> {
  const world = await aPushingWorld({ kinds: ["Secret", "VaultPushSecret"], ...push }, options);
  await world.given(aSecret());
  return world;
}

export async function failureOf(world: World, name = "app"): Promise<string> {
  const { code, message } = (await world.row(name, "VaultPushSecret"))?.state.error ?? {};
  return `${code}: ${message}`;
}

export function told(world: World, name = "app"): string {
  return world
    .events(name)
    .map(({ message }) => message)
    .join("\n");
}

export function statusOf(world: World, name = "app"): JsonObject {
  return asObject(world.resource(name, "VaultPushSecret")?.status as Json) ?? {};
}

export function conditionsOf({ conditions }: JsonObject): Record<string, string> {
  const list = Array.isArray(conditions) ? conditions.map((one) => asObject(one) ?? {}) : [];
  return Object.fromEntries(list.map(({ type, status }) => [String(type), String(status)]));
}
