import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster, KubeObject } from "../../harness/index.ts";
import { aStaticSecret, type World } from "./world.ts";

const API = "secrets.hashicorp.com/v1beta1";
const OWNED = encodeURIComponent("app.kubernetes.io/managed-by=hashicorp-vso");

/** A sequence that is the same for the same seed (mulberry32), each in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** The Secrets of a namespace that carry our labels: name to the text of `password`. */
export async function ownedSecrets(cluster: Cluster, namespace: string): Promise<Readonly<Record<string, string>>> {
  const path = `/api/v1/namespaces/${namespace}/secrets?labelSelector=${OWNED}`;
  const { body } = await cluster.request<{ items: KubeObject[] }>("GET", path);
  const texts = body.items.map(({ metadata, data }) => [
    metadata.name,
    Buffer.from(data?.password ?? "", "base64").toString("utf8"),
  ]);
  return Object.fromEntries(texts.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1)));
}

/** People who keep changing Vault, declarations and Secrets, and remember what should come of it. */
export interface Chaos {
  /** One random change. */
  step(): Promise<void>;
  /** Changes until the signal, at random distances of up to `ms`. */
  run(ms: number, signal: AbortSignal): Promise<void>;
  /** As `ownedSecrets` shows the namespace once everything is in step. */
  expected(): Readonly<Record<string, string>>;
  readonly steps: number;
}

interface Declared {
  readonly path: string;
  readonly destination: string;
}

export function chaos(world: World, cluster: Cluster, namespace: string, random: () => number): Chaos {
  const names = Array.from({ length: 8 }, (_, index) => `sync-${index}`);
  const vault = new Map<string, string>();
  const declared = new Map<string, Declared>();
  let steps = 0;
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const resource = (name: string) => ({ apiVersion: API, kind: "VaultStaticSecret", namespace, name });

  const put = async (path: string): Promise<void> => {
    const password = `${path} ${steps}`;
    await world.vault.putKv("kv", path, { password });
    vault.set(path, password);
  };
  const declare = async (name: string): Promise<void> => {
    const path = pick([name, `${name}-other`]);
    const destination = pick([name, `${name}-renamed`]);
    if (!vault.has(path)) await put(path);
    await cluster.apply(aStaticSecret(namespace, name, { path, destination: { name: destination, create: true } }));
    declared.set(name, { path, destination });
  };
  const undeclare = async (name: string): Promise<void> => {
    await cluster.delete(resource(name));
    declared.delete(name);
  };
  const onSecret = async (method: string, body?: object): Promise<void> => {
    const one = declared.get(pick(names));
    if (!one) return;
    const path = `/api/v1/namespaces/${namespace}/secrets/${one.destination}`;
    await cluster.request(method, path, body, { contentType: "application/merge-patch+json" });
  };
  const changes: readonly (() => Promise<void>)[] = [
    () => put(pick([...vault.keys(), "sync-0"])),
    () => put(pick([...vault.keys(), "sync-0"])),
    () => declare(pick(names)),
    () => declare(pick(names)),
    () => undeclare(pick(names)),
    async () => {
      const name = pick(names);
      await undeclare(name);
      await declare(name);
    },
    () => onSecret("PATCH", { data: { password: "aGFja2Vk", own: "aGFja2Vk" } }),
    () => onSecret("PATCH", { metadata: { labels: { "app.kubernetes.io/managed-by": null } } }),
    () => onSecret("DELETE"),
  ];
  const self: Chaos = {
    async step() {
      steps++;
      await pick(changes)();
    },
    async run(ms, signal) {
      while (!signal.aborted) {
        await self.step();
        await sleep(random() * ms, undefined, { signal }).catch(() => undefined);
      }
    },
    expected() {
      const all = [...declared.values()].map(({ path, destination }) => [destination, vault.get(path) ?? ""]);
      return Object.fromEntries(all.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1)));
    },
    get steps() {
      return steps;
    },
  };
  return self;
}
