import { randomBytes } from "node:crypto";
import type { Cluster, KubeObject } from "../test/harness/index.ts";
import { type Delay, delaysIn, type Expectation, secretsOf } from "./measure.ts";
import { type Declaration, declarations, type World } from "./world.ts";

/** Every wait has an end, in ms. A refresh of 5 s is the longest that any of this takes, but a machine may be busy. */
const LIMIT_MS = 60_000;

/** What happens to the declared syncs, and how long keyferry takes to follow. Values stay in here. */
export interface Story {
  declare(): Promise<readonly Delay[]>;
  changeInVault(): Promise<readonly Delay[]>;
  tamper(): Promise<readonly Delay[]>;
  remove(): Promise<readonly Delay[]>;
  /** How many syncs are declared now, in all clusters. */
  declared(): number;
}

type Place = { readonly cluster: Cluster; readonly sync: Declaration };

export async function storyOf(world: World): Promise<Story> {
  const syncs = await declarations("syncs");
  const passwords = new Map<string, string>();
  const gone = new Set<string>();
  const write = async ({ metadata, spec }: Declaration): Promise<void> => {
    const password = newPassword();
    passwords.set(metadata.name, password);
    if (spec) await world.vault.putKv(spec.mount, spec.path, { username: "shop", password, port: 5432, tls: true });
  };
  const isInStep = (name: string) => (secret: KubeObject | undefined) => passwordOf(secret) === passwords.get(name);
  const left = (): readonly Declaration[] => syncs.filter(({ metadata }) => !gone.has(metadata.name));

  return {
    declared: () => left().length * world.clusters.length,
    async declare() {
      await Promise.all(syncs.map(write));
      return everywhere(world, syncs, "declared, and written", async ({ cluster, sync }) => {
        const since = performance.now();
        await cluster.apply(sync);
        return { since, isMet: isInStep(sync.metadata.name) };
      });
    },
    async changeInVault() {
      const changedAt = new Map<Declaration, number>();
      await Promise.all(
        syncs.map(async (sync) => {
          changedAt.set(sync, performance.now());
          await write(sync);
        }),
      );
      return everywhere(world, syncs, "changed in Vault, and followed", async ({ sync }) => ({
        since: changedAt.get(sync) ?? 0,
        isMet: isInStep(sync.metadata.name),
      }));
    },
    async tamper() {
      const half = Math.ceil(syncs.length / 2);
      const edited = everywhere(world, syncs.slice(0, half), "edited by hand, and repaired", async (place) => {
        const since = performance.now();
        await edit(place);
        return { since, isMet: isInStep(place.sync.metadata.name) };
      });
      const deleted = everywhere(world, syncs.slice(half), "deleted by hand, and made anew", async (place) => {
        const since = performance.now();
        const uid = await deleteSecret(place);
        const { name } = place.sync.metadata;
        return { since, isMet: (secret) => secret?.metadata.uid !== uid && isInStep(name)(secret) };
      });
      return (await Promise.all([edited, deleted])).flat();
    },
    async remove() {
      const last = syncs.slice(-1);
      for (const { metadata } of last) gone.add(metadata.name);
      return everywhere(world, last, "declaration deleted, Secret gone", async ({ cluster, sync }) => {
        const since = performance.now();
        await cluster.delete(sync);
        return { since, isMet: (secret) => secret === undefined };
      });
    },
  };
}

/** Does something to each sync in each cluster, then waits for what is expected of it. */
async function everywhere(
  world: World,
  syncs: readonly Declaration[],
  what: string,
  happen: (place: Place) => Promise<Omit<Expectation, "secret">>,
): Promise<readonly Delay[]> {
  const byCluster = world.clusters.map(async (cluster) => {
    const expectations = await Promise.all(
      syncs.map(async (sync) => ({ secret: nameOf(sync), ...(await happen({ cluster, sync })) })),
    );
    return delaysIn(cluster, what, expectations, LIMIT_MS);
  });
  return (await Promise.all(byCluster)).flat();
}

/** Each begins alike, so that a test can tell whether one was ever printed. */
function newPassword(): string {
  return `tr0ub4dor-${randomBytes(12).toString("hex")}`;
}

function passwordOf(secret: KubeObject | undefined): string | undefined {
  const encoded = secret?.data?.password;
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString("utf8");
}

function nameOf({ metadata }: Declaration): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function pathOf({ metadata }: Declaration): string {
  return `/api/v1/namespaces/${metadata.namespace}/secrets/${metadata.name}`;
}

/** As `kubectl edit secret` does. */
async function edit({ cluster, sync }: Place): Promise<void> {
  const data = { password: Buffer.from(newPassword()).toString("base64") };
  const contentType = "application/merge-patch+json";
  const { status } = await cluster.request("PATCH", pathOf(sync), { data }, { contentType });
  if (status !== 200) throw new Error(`${cluster.name} refuses to edit Secret ${nameOf(sync)} (${status})`);
}

async function deleteSecret({ cluster, sync }: Place): Promise<string | undefined> {
  const before = (await secretsOf(cluster)).get(nameOf(sync));
  const { status } = await cluster.request("DELETE", pathOf(sync));
  if (status !== 200) throw new Error(`${cluster.name} refuses to delete Secret ${nameOf(sync)} (${status})`);
  return before?.metadata.uid;
}
