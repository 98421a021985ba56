import { type DigestKey, digestOf, sameDigest, shortDigest } from "../../digest.ts";
import type { SeenSecret } from "../../ports/secrets.ts";
import type { SecretData } from "../../secret-value.ts";
import type { NameChanges, SecretChanges } from "../destination.ts";
import { ownersOf } from "./owners.ts";
import type { Work } from "./state.ts";

/** The Secret after the planned write, compared with before. */
export function changesOf(key: DigestKey, before: SeenSecret | undefined, work: Work): SecretChanges {
  const { destination, digest, secretDigest } = work.seen;
  const data = dataChanges(key, before?.data ?? new Map(), work.data);
  // Of a Secret that is not ours only the data changes.
  const own = destination.create ? before?.ownMarks : undefined;
  const labels = markChanges(before?.labels, destination.labels, own?.labels);
  const annotations = markChanges(before?.annotations, destination.annotations, own?.annotations);
  const isOwners =
    before === undefined || !destination.create || ownersOf(before, destination.ownerReference).own === "as-written";
  const type = destination.create ? destination.type : (before?.type ?? destination.type);
  const lists = [data, labels, annotations].flatMap(({ added, removed, changed }) => [added, removed, changed]);
  return {
    any: lists.some((names) => names.length > 0) || !isOwners || before?.type !== type,
    digest: { ...(before && secretDigest ? { before: shortDigest(secretDigest) } : {}), after: shortDigest(digest) },
    type: { ...(before ? { before: before.type } : {}), after: type },
    ...{ data, labels, annotations },
    owner: !isOwners,
  };
}

/** Compares digests, so that no value is revealed. */
function dataChanges(key: DigestKey, before: SecretData, after: SecretData): NameChanges {
  const digest = (data: SecretData, name: string): string => {
    const value = data.get(name);
    return digestOf(key, new Map(value ? [[name, value]] : []));
  };
  return {
    added: [...after.keys()].filter((name) => !before.has(name)).sort(),
    removed: [...before.keys()].filter((name) => !after.has(name)).sort(),
    changed: [...after.keys()]
      .filter((name) => before.has(name) && !sameDigest(digest(before, name), digest(after, name)))
      .sort(),
  };
}

type Marks = Readonly<Record<string, string>>;

/** Others' entries stay; ours that are no longer declared are removed. */
function markChanges(before: Marks = {}, after: Marks, own: readonly string[] = []): NameChanges {
  return {
    added: Object.keys(after)
      .filter((name) => before[name] === undefined)
      .sort(),
    removed: own.filter((name) => after[name] === undefined && before[name] !== undefined),
    changed: Object.keys(after)
      .filter((name) => before[name] !== undefined && before[name] !== after[name])
      .sort(),
  };
}
