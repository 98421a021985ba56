import type { Digest } from "../../digest.ts";
import { partsOf } from "../../keys.ts";
import type { OwnedSecret } from "../../ports/rows.ts";
import type { RolloutTarget } from "../../ports/workloads.ts";
import type { Destination, DestinationApis, DestinationFactory, ToWrite } from "../destination.ts";
import { act } from "./act.ts";
import { decide } from "./decide.ts";
import { describe } from "./describe.ts";
import { holdingOf } from "./holding.ts";
import { emptyIfOurs, removeIfOurs } from "./remove.ts";
import type { Decision, WantedSecret, Work } from "./state.ts";

/** The parts of a resolved kind that a Secret needs. */
export interface WantsSecret {
  readonly destination: WantedSecret;
  readonly rolloutTargets: readonly RolloutTarget[];
}

/** A Secret in the cluster and namespace of its declaration. */
export const kubernetesSecrets: DestinationFactory<WantsSecret> = {
  ownedWith({ destination: { create, name } }, owned) {
    return !create || owned.some((entry) => entry.name === name) ? owned : [...owned, { name }];
  },

  toWrite(apis, about): Destination<Work, Decision> {
    const start = workOf(apis, about);
    const restartsWorkloads = about.resolved.rolloutTargets.length > 0;
    return {
      start,
      name: nameOf(start.secret),
      decide: ({ seen }) => decide(seen),
      act: (decision, work, claim, signal) => act({ apis, claim, restartsWorkloads, signal }, work, decision),
      learned: ({ seen, wrote, over }) => ({
        owned: seen.row.state.owned,
        ...(wrote === undefined ? {} : { wrote }),
        ...(wrote === undefined || over === undefined ? {} : { over }),
      }),
      describe,
    };
  },

  holding: (apis, about) => holdingOf(apis, workOf(apis, { ...about, data: new Map(), digest: NO_DIGEST })),

  toClear(apis, { row, settings, blank }): Destination<ToRemove, ToRemove> {
    const { cluster, namespace } = partsOf(row.key);
    const { secrets, origin } = apis;
    return {
      start: { owned: row.state.owned, ...(blank === undefined ? {} : { blank }) },
      name: `the Secrets of ${row.key}`,
      decide: (left) => (left.owned.length === 0 && left.blank === undefined ? undefined : left),
      async act({ owned, blank: name }, _before, claim, signal) {
        const removing = { owner: origin.owner, observe: settings.observe, claim };
        for (const { name } of owned) {
          await claim.takeToWrite();
          await removeIfOurs({ secrets }, { cluster, namespace, name }, removing, signal);
        }
        if (name !== undefined) await emptyIfOurs(apis, row, { cluster, namespace, name }, settings, claim, signal);
        return { owned: [] };
      },
      learned: ({ owned }) => ({ owned }),
      describe: () => undefined,
    };
  },
};

/** Of data that does not exist yet: no Secret has it. */
const NO_DIGEST: Digest = "";

/** What is left of a declaration. */
interface ToRemove {
  readonly owned: readonly OwnedSecret[];
  readonly blank?: string;
}

function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `Secret ${namespace}/${name}`;
}

function workOf(
  { digestKey: key, origin }: DestinationApis,
  { row, settings, resolved, data, digest }: ToWrite<WantsSecret>,
): Work {
  const { cluster, namespace } = partsOf(row.key);
  const destination = { ...resolved.destination, ownerReference: origin.owner };
  const { observe } = settings;
  return {
    secret: { cluster, namespace, name: destination.name },
    data,
    seen: { row, destination, observe, digest, key, secret: "unread", applied: false },
  };
}
