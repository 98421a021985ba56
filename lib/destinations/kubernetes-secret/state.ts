import type { Digest, DigestKey } from "../../digest.ts";
import type { NamedObject, OwnerReference } from "../../ports/objects.ts";
import { type OwnedSecret, type Row, verified } from "../../ports/rows.ts";
import type { DesiredSecret, SeenSecret, WrittenSecret } from "../../ports/secrets.ts";
import type { SecretData } from "../../secret-value.ts";
import type { Rival } from "./owners.ts";

/** The declared Secret, without its data. */
export interface WantedSecret {
  readonly name: string;
  readonly create: boolean;
  readonly overwrite: boolean;
  readonly type: string;
  /** With the owner's labels when we own it; empty otherwise. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The input of a decision: everything that was read so far. */
export interface Seen {
  readonly row: Row;
  readonly destination: WantedSecret & { readonly ownerReference: OwnerReference };
  readonly observe: "watch" | "apply";
  /** Of Vault's current data, made with `key`. */
  readonly digest: Digest;
  readonly key: DigestKey;
  /** `unread` until it is observed; then the Secret, or `absent`. */
  readonly secret: SeenSecret | "unread" | "absent";
  /** Digest of the observed Secret. */
  readonly secretDigest?: Digest;
  /** Other existing declarations to which it belongs. */
  readonly rivals?: readonly Rival[];
  /** Whether this run already applied, or a precondition refused it. */
  readonly applied: boolean;
}

/** One Secret, its desired data, and what is known of it so far. */
export interface Work {
  readonly secret: NamedObject;
  readonly data: SecretData;
  readonly seen: Seen;
  /** Not part of the decision: the reason for a write, for the event. */
  readonly wrote?: string;
  /** Neither: the other field manager that wrote before that write. */
  readonly over?: string;
}

/**
 * - `observe`: read the Secret, then judge again.
 * - `create`: apply that may only create.
 * - `apply`: apply at the recorded or observed uid and resourceVersion.
 * - `reassert`: the same content again at what was recorded, since nobody may read the Secret (`observe: apply`).
 * - `take-over`: as apply, after VSO's field ownership was moved to us.
 * - `recreate`: delete and create, since a Secret's type can't change.
 * - `replace`: put data into a Secret that is not ours.
 * - `adopt`: it is in step already: record it, write nothing.
 * - `stand-beside`: add our owner reference to a Secret that another declaration writes, and nothing else.
 * - `prune`: remove what we wrote under another name.
 */
export type Decision =
  | { readonly do: "observe" }
  | { readonly do: "create" }
  | { readonly do: "apply"; readonly uid: string; readonly resourceVersion: string; readonly because: string }
  | { readonly do: "reassert"; readonly uid: string; readonly resourceVersion: string }
  | { readonly do: "take-over"; readonly resourceVersion: string }
  | { readonly do: "recreate"; readonly seen: SeenSecret }
  | { readonly do: "replace"; readonly uid: string; readonly because: string }
  | { readonly do: "adopt"; readonly seen: SeenSecret }
  | { readonly do: "stand-beside"; readonly seen: SeenSecret }
  | { readonly do: "prune"; readonly names: readonly string[] };

export function ownedUnder(row: Row, name: string): OwnedSecret | undefined {
  return row.state.owned.find((owned) => owned.name === name);
}

/** The Secret as an apply writes it. */
export function desiredSecret({ seen: { destination }, data }: Work): DesiredSecret {
  const { type, labels, annotations, ownerReference } = destination;
  return { type, labels, annotations, ownerReference, data };
}

/** The state after a write, or for a Secret in step: recorded as ours. */
export function recorded(
  work: Work,
  wrote: string | undefined,
  written: Pick<WrittenSecret, "uid" | "resourceVersion" | "managed">,
  type: string = work.seen.destination.type,
): Work {
  const { row, destination } = work.seen;
  const others = row.state.owned.filter((owned) => owned.name !== destination.name);
  const entry: OwnedSecret = {
    name: destination.name,
    uid: written.uid,
    resourceVersion: written.resourceVersion,
    managed: written.managed.fingerprint,
    type,
    ...(written.managed.vso ? { ofVso: true } : {}),
  };
  const after = withOwned(work, destination.create ? [entry, ...others] : others);
  const why = wrote ?? work.wrote;
  const over = typeof work.seen.secret === "object" ? work.seen.secret.writtenBy : work.over;
  return {
    ...after,
    ...(why === undefined ? {} : { wrote: why }),
    ...(over === undefined ? {} : { over }),
    seen: { ...after.seen, row: verified(after.seen.row), secret: "unread", applied: true },
  };
}

/** The state once our owner reference stands beside the others on this Secret. */
export function withReference(work: Work, secret: SeenSecret): Work {
  const ownerReferences = [...secret.ownerReferences, { ...work.seen.destination.ownerReference }];
  return { ...work, seen: { ...work.seen, secret: { ...secret, ownerReferences } } };
}

/** The state with these Secrets recorded as ours. */
export function withOwned(work: Work, owned: readonly OwnedSecret[]): Work {
  const { row } = work.seen;
  return { ...work, seen: { ...work.seen, row: { ...row, state: { ...row.state, owned } } } };
}
