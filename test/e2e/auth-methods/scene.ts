import assert from "node:assert/strict";
import type { Cluster } from "../../harness/index.ts";
import type { Place } from "../support/place.ts";
import { OPERATOR_NAMESPACE, type World } from "../support/world.ts";

export const NS = "team-a";
export const API = "secrets.hashicorp.com/v1beta1";
export const PASSWORD = "Ht3-correct-horse-battery";

/** One world in which logins are declared and followed. */
export interface AuthScene {
  readonly world: World;
  readonly cluster: Cluster;
  readonly place: Place;
  /** A Secret. */
  put(name: string, namespace: string, data: Readonly<Record<string, string>>): Promise<unknown>;
  /** A VaultAuth, by the operator's connection unless it names another one. */
  declareAuth(name: string, spec: object, namespace?: string): Promise<unknown>;
  /** A sync, until it is in step. */
  follows(name: string, spec: object): Promise<void>;
  loginsAs(path: string): Promise<number>;
  /** What must be seen nowhere when all is over. */
  readonly secrets: string[];
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

export function authScene(world: World, cluster: Cluster, place: Place): AuthScene {
  return {
    world,
    cluster,
    place,
    secrets: [PASSWORD],
    put(name, namespace, data) {
      const encoded = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)]));
      return cluster.apply({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, data: encoded });
    },
    declareAuth(name, spec, namespace = NS) {
      const vaultConnectionRef = `${OPERATOR_NAMESPACE}/default`;
      const metadata = { name, namespace };
      return cluster.apply({ apiVersion: API, kind: "VaultAuth", metadata, spec: { vaultConnectionRef, ...spec } });
    },
    async follows(name, spec) {
      await place.declare(name, { path: "db", ...spec });
      await place.synced(name);
      assert.equal((await place.secret(name))?.data.password, PASSWORD);
    },
    loginsAs: async (path) => (await world.vault.auditedReads()).get(`update auth/${path}/login`) ?? 0,
  };
}
