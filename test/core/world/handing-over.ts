import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import {
  type ClusterSurvey,
  type HandOverScope,
  surveyForKeyferry,
  surveyForVso,
} from "../../../lib/vso/handover/hand-over.ts";
import { handToKeyferry, handToVso } from "../../../lib/vso/handover/hand-over-act.ts";
import { VSO_LEASE } from "../../../lib/vso/stand-back/vso.ts";
import { aCluster } from "../../builders.ts";
import { aVaultSecret, type Given } from "./builders.ts";
import { anIssuingWorld } from "./issuing.ts";
import type { StartOptions, World } from "./world.ts";

export const KEY = Buffer.alloc(16, 5);
export const STATIC = "VaultStaticSecret";
const signal = new AbortController().signal;
type Scope = Partial<HandOverScope>;

/** What `keyferry handover` does, beside the engine that is at work. */
export function handover(world: World, options: StartOptions = {}) {
  const { deps } = world.start({ isIdle: true, ...options });
  const told: string[] = [];
  const progress = {
    keyMade: (cluster: string) => void told.push(`key of ${cluster}`),
    done: ({ ref }: { ref: { name: string } }) => void told.push(ref.name),
  };
  const scopeOf = (scope: Scope) => ({ settings: aCluster(), namespaces: [], force: false, ...scope });
  const survey = (scope: Scope = {}) => surveyForVso(deps, scopeOf(scope), signal);
  const surveyBack = (scope: Scope = {}) => surveyForKeyferry(deps, scopeOf(scope), signal);
  return {
    ...{ told, survey, surveyBack },
    give: async (scope?: Scope) => handToVso(deps, await survey(scope), () => KEY, progress, signal),
    giveThat: (found: ClusterSurvey) => handToVso(deps, found, () => KEY, progress, signal),
    takeBack: async (scope?: Scope) => handToKeyferry(deps, (await surveyBack(scope)).syncs, progress, signal),
  };
}

/** An issuing world in which these have been carried out. */
export async function synced(...things: readonly Given[]): Promise<World> {
  const world = await anIssuingWorld();
  await world.given(aVaultSecret(), ...things);
  await world.advance("20s");
  return world;
}

/** VSO's MAC of what the Secret holds now. */
export function macOf(world: World, secret: string, key = KEY): string {
  const data = world.resource(secret, "Secret")?.data ?? {};
  const sorted = Object.fromEntries(Object.entries(data).sort(([one], [other]) => (one < other ? -1 : 1)));
  return createHmac("sha256", key).update(JSON.stringify(sorted)).digest("base64");
}

export const statusOf = (world: World, name: string, kind = STATIC) => Object(world.resource(name, kind)?.status);
export const metadataOf = (world: World, name: string, kind = STATIC) =>
  world.resource(name, kind)?.metadata ?? assert.fail();
/** What was found, by namespace and name. */
export const namesOf = ({ syncs }: ClusterSurvey) => syncs.map(({ ref }) => `${ref.namespace}/${ref.name}`).sort();
/** The operator's leader election lease. */
export const rivalLease = (world: World, spec: object) =>
  world.cluster().apply({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: VSO_LEASE, namespace: "vso" },
    spec: { leaseDurationSeconds: 15, renewTime: new Date(world.time.now()).toISOString(), ...spec },
  });
/** The operator's key of MACs. */
export const macKey = (world: World, key: string) =>
  world.cluster().apply({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "vso-cc-storage-hmac-key", namespace: "vso" },
    data: { key },
  });
