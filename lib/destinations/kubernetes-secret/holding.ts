import { digestOf, sameDigest } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { OWNER_UID_LABEL } from "../../owner-labels.ts";
import type { Rehearsal, SeenSecret } from "../../ports/secrets.ts";
import { type SecretData, SecretValue } from "../../secret-value.ts";
import type { DestinationApis } from "../destination.ts";
import type { Holding } from "../holding.ts";
import { isPreconditionFailure } from "./act.ts";
import { rehearseAnew } from "./anew.ts";
import { decide } from "./decide.ts";
import { find, observed } from "./observe.ts";
import { type Decision, desiredSecret, type Work, withReference } from "./state.ts";

/** After so many changes between an observation and its rehearsal, the attempt is left to a later one. */
const MAX_TRIES = 3;

/** JSON, because the types of Docker's registries require it. */
const PLACEHOLDER = SecretValue.of("{}");

/** Keys that the API server demands of a type. Before the first answer nobody knows which ones Vault's data has. */
const DEMANDED: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/basic-auth": ["username"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
};

/** `start`: with the digest of no data, so that each decision is the one for new data. */
export function holdingOf(apis: DestinationApis, start: Work): Holding {
  let seen: { readonly found: SeenSecret | undefined } | undefined;
  const found = async (signal: AbortSignal): Promise<SeenSecret | undefined> => {
    seen ??= { found: await find(apis, start, signal) };
    return seen.found;
  };

  return {
    async admit(rehearse, signal) {
      for (let tries = 1; ; tries++) {
        const admitted = admit(await observed(apis, start, await found(signal), signal));
        if (rehearse === undefined) return;
        try {
          return await rehearsed(apis, admitted, rehearse, signal);
        } catch (error) {
          if (!isPreconditionFailure(error) || tries === MAX_TRIES) throw error;
          seen = undefined;
        }
      }
    },

    async holds(keys, digest, signal) {
      const data = dataUnder(keys, await found(signal));
      return data && sameDigest(digestOf(apis.digestKey, data), digest) ? data : undefined;
    },

    async holdsElsewhere(keys, digest, signal) {
      const former = start.seen.row.state.owned.filter(({ name }) => name !== start.secret.name);
      for (const { name } of former) {
        const data = dataUnder(keys, await find(apis, { ...start, secret: { ...start.secret, name } }, signal));
        if (data && sameDigest(digestOf(apis.digestKey, data), digest)) return true;
      }
      return false;
    },

    async left(signal) {
      const secret = await found(signal);
      return secret !== undefined && isLeftFor(start, secret) ? secret.data : undefined;
    },
  };
}

/** A Secret that another controller made for this declaration has its label; one that it only fills has none. */
function isLeftFor({ seen: { destination } }: Work, { deleting, type, labels, data }: SeenSecret): boolean {
  const { create, ownerReference } = destination;
  if (deleting || data.size === 0) return false;
  return !create || (type === destination.type && labels[OWNER_UID_LABEL] === ownerReference.uid);
}

interface Admitted {
  readonly work: Work;
  readonly decision: Decision | undefined;
}

/**
 * The decision for new data; throws its refusal. A Secret of another declaration is refused once our reference stands
 * beside that one's: here it is only simulated.
 */
function admit(work: Work): Admitted {
  const decision = decide(work.seen);
  if (decision?.do !== "stand-beside") return { work, decision };
  const beside = withReference(work, decision.seen);
  return { work: beside, decision: decide(beside.seen) };
}

/** The write of a decision, with placeholders for its values. */
function rehearsalOf({ work, decision }: Admitted, keys: readonly string[]): Rehearsal | undefined {
  const demanded = DEMANDED[work.seen.destination.type] ?? [];
  const data: SecretData = new Map([...demanded, ...keys].map((key) => [key, PLACEHOLDER]));
  const desired = desiredSecret({ ...work, data });
  if (decision?.do === "replace") return { kind: "replace-data", uid: decision.uid, data };
  if (decision?.do === "create") return { kind: "apply", desired, precondition: { kind: "absent" } };
  if (typeof work.seen.secret !== "object") return undefined;
  const { uid, resourceVersion } = work.seen.secret;
  return { kind: "apply", desired, precondition: { kind: "as-seen", uid, resourceVersion } };
}

/** Where only the type is refused, keyferry deletes the Secret and creates it: then the creation is tried, too. */
async function rehearsed(
  { secrets }: DestinationApis,
  admitted: Admitted,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const rehearsal = rehearsalOf(admitted, keys);
  const { secret } = admitted.work;
  try {
    if (rehearsal) await secrets.rehearse(secret, rehearsal, signal);
  } catch (error) {
    const isOfType = error instanceof SyncError && error.code === "SECRET_TYPE_DIFFERS";
    const { decision } = admitted;
    if (!isOfType || decision?.do !== "recreate" || rehearsal?.kind !== "apply") throw error;
    await rehearseAnew(secrets, secret, decision.seen, rehearsal.desired, signal);
  }
}

/** Undefined when one of the keys is missing. */
function dataUnder(keys: readonly string[], found: SeenSecret | undefined): SecretData | undefined {
  const values = keys.map((key) => [key, found?.data.get(key)] as const);
  return values.every(isThere) ? new Map(values) : undefined;
}

function isThere(entry: readonly [string, SecretValue | undefined]): entry is readonly [string, SecretValue] {
  return entry[1] !== undefined;
}
