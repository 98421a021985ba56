import { fingerprint } from "../digest.ts";
import type { StatusWrite } from "../ports/resources.ts";
import type { ManagedFields, SeenSecret } from "../ports/secrets.ts";
import { isShape, type Shape, shapeAt, shapesAt, textAt } from "./shapes.ts";

/** The name of our field manager. */
export const MANAGER = "keyferry";

/**
 * For all writes. Our bodies have no unknown fields, and validation would make the API server parse each body again.
 */
export const AS_MANAGER = { fieldManager: MANAGER, fieldValidation: "Ignore" } as const;

/**
 * For an owner reference beside another declaration's. It has its own name: under ours the declaration that writes the
 * Secret would see drift, and our next apply would drop the reference.
 */
export const AS_BESIDE = { ...AS_MANAGER, fieldManager: `${MANAGER}-beside` } as const;

const OWNER_LABEL = "f:secrets.hashicorp.com/vso-ownerRefUID";

const isOurs = (entry: Shape): boolean => textAt(entry, "manager") === MANAGER;

/**
 * Identifies VSO's entry by what it owns: its manager's name is its binary's name, which changes (kubernetes-rules 3).
 */
function isVso(entry: Shape): boolean {
  const labels = shapeAt(shapeAt(shapeAt(entry, "fieldsV1"), "f:metadata"), "f:labels");
  return !isOurs(entry) && OWNER_LABEL in labels;
}

function namesIn(fields: Shape): readonly string[] {
  const names = Object.keys(fields);
  return names.filter((field) => field.startsWith("f:")).map((field) => field.slice("f:".length));
}

/** The data keys that an entry owns. */
function dataKeysOf(entry: Shape): readonly string[] {
  return namesIn(shapeAt(shapeAt(entry, "fieldsV1"), "f:data"));
}

function identityOf(entry: Shape): string {
  const parts = ["manager", "operation", "time"].map((field) => textAt(entry, field) ?? "");
  // An edit of a label, an annotation or an owner reference only takes it out of VSO's entry.
  const fields = isVso(entry) ? [JSON.stringify(shapeAt(entry, "fieldsV1"))] : [];
  return [...parts, ...[...dataKeysOf(entry)].sort(), ...fields].join(" ");
}

/** A Secret's `metadata.managedFields` without their times (kubernetes-rules 10). */
export function managedFieldsOf(metadata: Shape): ManagedFields {
  const entries = shapesAt(metadata, "managedFields");
  const ours = entries.filter(isOurs);
  const foreign = new Set(entries.filter((entry) => !isOurs(entry)).flatMap(dataKeysOf));
  const written = ours.map(
    (entry) => `${textAt(entry, "operation") ?? ""} ${JSON.stringify(shapeAt(entry, "fieldsV1"))}`,
  );
  // While we own nothing, another manager's edit may only move a value between entries, or change an entry's time.
  const adopted =
    ours.length > 0
      ? []
      : entries
          .filter((entry) => dataKeysOf(entry).length > 0 || isVso(entry))
          .map(identityOf)
          .sort();
  return {
    fingerprint: fingerprint(...written.sort(), "others", ...[...foreign].sort(), ...adopted),
    ours: ours.length > 0,
    vso: entries.some(isVso),
  };
}

/** The newest write of the status by another manager, unless ours is as new: within one second the order is unknown. */
export function foreignStatusOf(metadata: Shape): StatusWrite | undefined {
  const writes = shapesAt(metadata, "managedFields").filter((entry) => textAt(entry, "subresource") === "status");
  const own = newestOf(writes.filter(isOurs));
  const theirs = newestOf(writes.filter((entry) => !isOurs(entry)));
  return theirs && (own === undefined || theirs.at > own.at) ? theirs : undefined;
}

function newestOf(entries: readonly Shape[]): StatusWrite | undefined {
  return entries
    .map((entry) => ({ manager: textAt(entry, "manager") ?? "", at: Date.parse(textAt(entry, "time") ?? "") }))
    .filter(({ at }) => !Number.isNaN(at))
    .reduce<StatusWrite | undefined>((best, write) => (best && best.at >= write.at ? best : write), undefined);
}

/** The manager with the newest entry, ours left out: it need not own any field that we declare. */
export function lastOther(metadata: Shape): string | undefined {
  return newestOf(shapesAt(metadata, "managedFields").filter((entry) => !isOurs(entry)))?.manager;
}

/** The data keys that we own. */
export function ourDataKeys(metadata: Shape): ReadonlySet<string> {
  return new Set(shapesAt(metadata, "managedFields").filter(isOurs).flatMap(dataKeysOf));
}

/** Labels and annotations that we own, or that VSO owned until we took over its entry. */
export function ownMarks(metadata: Shape): NonNullable<SeenSecret["ownMarks"]> {
  const entries = shapesAt(metadata, "managedFields").filter((entry) => isOurs(entry) || isVso(entry));
  const marks = (field: string): readonly string[] => {
    const names = entries.flatMap((entry) =>
      namesIn(shapeAt(shapeAt(shapeAt(entry, "fieldsV1"), "f:metadata"), field)),
    );
    return [...new Set(names)].sort();
  };
  return { labels: marks("f:labels"), annotations: marks("f:annotations") };
}

/** The same entries with VSO's as our own, so that our next apply may remove its fields; undefined without VSO's. */
export function takenOver(metadata: Shape): readonly Shape[] | undefined {
  const entries = shapesAt(metadata, "managedFields");
  const theirs = entries.filter(isVso);
  const [template] = theirs;
  if (template === undefined) return undefined;
  const isApplied = (entry: Shape): boolean => isOurs(entry) && textAt(entry, "operation") === "Apply";
  const merged = [...entries.filter(isApplied), ...theirs].map((entry) => shapeAt(entry, "fieldsV1")).reduce(union);
  const others = entries.filter((entry) => !isApplied(entry) && !theirs.includes(entry));
  return [...others, { ...template, manager: MANAGER, operation: "Apply", fieldsV1: merged }];
}

/** fieldsV1 is a tree of names; the union owns what either owned. */
function union(a: Shape, b: Shape): Shape {
  const both = Object.entries(b).map(([key, value]): [string, unknown] => {
    const other = a[key];
    return [key, isShape(other) && isShape(value) ? union(other, value) : value];
  });
  return { ...a, ...Object.fromEntries(both) };
}
