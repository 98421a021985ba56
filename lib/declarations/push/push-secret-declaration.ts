import { parseDuration } from "../../duration.ts";
import type { NamedPushIdentity, PushSettings } from "../../ports/fleet-push.ts";
import type { Declared } from "../../ports/rows.ts";
import { pushPathProblems, trimmedPath } from "../../push-paths.ts";
import { type Complaint, complaintsOf } from "../../util/complaints.ts";
import type { JsonObject } from "../../util/json.ts";
import { checkVaultPath } from "../../vault-path.ts";
import { withoutNulls } from "../parse.ts";
import { boundedInterval, type PushDeclaration } from "./annotations.ts";
import { fieldOf, MAX_KEYS, type PushEntry } from "./entries.ts";
import { renderPath, type TemplateValues } from "./path-template.ts";
import { type VaultPushSecretSpec, vaultPushSecretSpec } from "./push-secret.ts";

/** Everything that a VaultPushSecret says, with the settings that hold for it. */
export interface DeclaredPushSecret {
  readonly declaration: PushDeclaration;
  readonly settings: PushSettings;
}

type Told<T> = T | { readonly complaints: readonly Complaint[] };

/** From what destroys least to what destroys most. */
const CONFLICTS = ["fail", "merge", "adopt"] as const;
const DELETIONS = ["preserve", "version", "metadata"] as const;

/** The declaration of a VaultPushSecret, or everything that is wrong with it, each with its field. */
export function parsePushSecret(
  spec: JsonObject,
  values: TemplateValues,
  push: PushSettings,
): Told<DeclaredPushSecret> {
  const input = withoutNulls(spec);
  const parsed = vaultPushSecretSpec.safeParse(input);
  if (!parsed.success) return { complaints: complaintsOf(parsed.error, input) };
  const complaints: Complaint[] = [];
  const declared = parsed.data;
  const path = pathOf(declared.destination, values, complaints);
  const entries = entriesOf(declared, complaints);
  const ms = parseDuration(declared.reconcile);
  const interval = ms === undefined ? {} : boundedInterval(ms, "spec.reconcile");
  if (interval === undefined) complaints.push({ path: ["reconcile"], message: "must be at most a year" });
  complaints.push(...choiceComplaints(declared, push));
  if (complaints.length > 0) return { complaints };
  const { mount, type } = declared.destination;
  const warning = interval?.warning;
  return {
    declaration: {
      field: "spec.destination.path",
      expects: { mount: trimmedPath(mount), ...(type === undefined ? {} : { engine: type }) },
      path,
      objects: [{ entries }],
      preserve: declared.deletion === "preserve",
      ...(interval?.ms === undefined ? {} : { reconcileMs: interval.ms }),
      synced: declared.pushSynced,
      warnings: warning === undefined ? [] : [warning],
    },
    settings: chosen(declared, push),
  };
}

/** With its mount, rendered. */
function pathOf(
  { mount, path }: VaultPushSecretSpec["destination"],
  values: TemplateValues,
  complaints: Complaint[],
): string {
  const wrong = [
    ...pushPathProblems(mount),
    ...(/[{}]/.test(mount) ? ["must have no placeholders: they are for the path"] : []),
  ];
  complaints.push(...wrong.map((message) => ({ path: ["destination", "mount"], message })));
  const rendered = renderPath(path, values);
  const complain = (message: string) => void complaints.push({ path: ["destination", "path"], message });
  if ("problems" in rendered) {
    for (const problem of rendered.problems) complain(problem);
    return "";
  }
  // Below a mount that is right, `sys` is a name like others.
  const whole = `${wrong.length === 0 ? trimmedPath(mount) : "kv"}/${trimmedPath(rendered.path)}`;
  for (const problem of new Set([...checkVaultPath(rendered.path), ...pushPathProblems(whole)])) complain(problem);
  return whole;
}

function entriesOf({ sources }: VaultPushSecretSpec, complaints: Complaint[]): readonly PushEntry[] {
  const entries = sources.map(({ secretRef: { name }, keys, prefix, optional }): PushEntry => {
    const named = (keys ?? []).flatMap(({ key, field }) => (field === undefined ? [] : [[key, field] as const]));
    return {
      ...{ secret: name, prefix, optional },
      ...(keys === undefined ? {} : { keys: keys.map(({ key }) => key) }),
      ...(named.length === 0 ? {} : { fields: new Map(named) }),
    };
  });
  const count = entries.reduce((sum, { keys = [] }) => sum + keys.length, 0);
  if (count > MAX_KEYS) complaints.push({ path: ["sources"], message: `must name at most ${MAX_KEYS} keys` });
  else complaints.push(...repeated(entries));
  return entries;
}

/** Keys that are named twice by one source, or become one field: one value would overwrite the other. */
function repeated(entries: readonly PushEntry[]): readonly Complaint[] {
  const fields = new Map<string, number>();
  return entries.flatMap((entry, at) => {
    const keys = new Set<string>();
    return (entry.keys ?? []).flatMap((key, index): readonly Complaint[] => {
      const path = ["sources", at, "keys", index];
      if (keys.has(key)) return [{ path, message: "names a key that this source names already" }];
      keys.add(key);
      const field = fieldOf(entry, key);
      const before = fields.get(field);
      if (before === undefined) fields.set(field, at);
      return before === undefined
        ? []
        : [{ path, message: `becomes the same field as a key of source ${before}: name another field` }];
    });
  });
}

function choiceComplaints(spec: VaultPushSecretSpec, push: PushSettings): readonly Complaint[] {
  const { conflict = "fail", deletion = "preserve", identity } = spec;
  const least = "fleet.yaml allows a VaultPushSecret at most";
  const most = { conflict: furthest(CONFLICTS, push, "conflict"), deletion: furthest(DELETIONS, push, "deletion") };
  return [
    ...(CONFLICTS.indexOf(conflict) > CONFLICTS.indexOf(most.conflict)
      ? [
          {
            path: ["conflict"],
            message: `is more than ${least} (push.conflict, push.choices.conflict): ${most.conflict}`,
          },
        ]
      : []),
    ...(DELETIONS.indexOf(deletion) > DELETIONS.indexOf(most.deletion)
      ? [
          {
            path: ["deletion"],
            message: `is more than ${least} (push.deletion, push.choices.deletion): ${most.deletion}`,
          },
        ]
      : []),
    ...(identity !== undefined && identityOf(push, identity) === undefined
      ? [{ path: ["identity"], message: "is not the name of one of push.choices.identities in fleet.yaml" }]
      : []),
  ];
}

/** The setting of the cluster, or what goes further among its choices. */
function furthest<N extends "conflict" | "deletion", T extends string>(
  order: readonly T[],
  push: PushSettings,
  name: N,
): T {
  const own = push[name] as string as T;
  const choice = (push.choices?.[name] ?? own) as string as T;
  return order.indexOf(choice) > order.indexOf(own) ? choice : own;
}

function identityOf({ choices }: PushSettings, name: string): NamedPushIdentity | undefined {
  return choices?.identities.find((one) => one.name === name);
}

/** The settings of the cluster with its choices. */
function chosen({ conflict, deletion, identity }: VaultPushSecretSpec, push: PushSettings): PushSettings {
  const login = identity === undefined ? undefined : identityOf(push, identity);
  return {
    ...push,
    ...(conflict === undefined ? {} : { conflict }),
    ...(deletion === undefined || deletion === "preserve" ? {} : { deletion }),
    ...(login === undefined ? {} : { identity: login }),
  };
}

/**
 * The settings for a clean-up, from what was last seen of a VaultPushSecret, which may be invalid. A choice that
 * fleet.yaml does not allow is none; undefined: its login is not in fleet.yaml.
 */
export function settingsToClear({ spec }: Pick<Declared, "spec">, push: PushSettings): PushSettings | undefined {
  const { conflict, deletion, identity } = spec;
  const login = typeof identity === "string" ? identityOf(push, identity) : push.identity;
  if (login === undefined) return undefined;
  const isAllowed = (order: readonly string[], choice: unknown, most: string): choice is string =>
    typeof choice === "string" && order.includes(choice) && order.indexOf(choice) <= order.indexOf(most);
  return {
    ...push,
    identity: login,
    ...(isAllowed(CONFLICTS, conflict, furthest(CONFLICTS, push, "conflict"))
      ? { conflict: conflict as PushSettings["conflict"] }
      : {}),
    ...(isAllowed(["version", "metadata"], deletion, furthest(DELETIONS, push, "deletion"))
      ? { deletion: deletion as PushSettings["deletion"] }
      : {}),
  };
}

/** Whether what was pushed stays: as it was last seen, whatever else the resource says. */
export function isPreserved({ spec }: Pick<Declared, "spec">): boolean {
  return spec.deletion === "preserve";
}

/** What a clean-up has to know of a VaultPushSecret that is too large to store. */
export function keptToClear({ conflict, deletion, identity }: JsonObject): JsonObject {
  const isShort = ([, value]: readonly [string, unknown]) => typeof value === "string" && value.length <= MAX_CHOICE;
  return Object.fromEntries(Object.entries({ conflict, deletion, identity }).filter(isShort)) as JsonObject;
}

/** The longest name of a login. */
const MAX_CHOICE = 63;
