import { customResourceDefinitions, ownResourceDefinitions } from "../../declarations/crd.ts";
import { isShape, type Shape, shapeAt, shapesAt, textAt } from "../../kubernetes/shapes.ts";
import {
  apiVersionOf,
  KINDS,
  type KindRef,
  VAULT_PUSH_SECRET,
  VAULT_STATIC_SECRET,
  VSO_GROUP,
} from "../../resource-kinds.ts";
import type { Check, Reached } from "../context.ts";
import { type Finding, finding } from "../finding.ts";
import { manifest, some } from "../remedies.ts";
import { jsonOf, rawGet } from "./reach.ts";

/** The kinds of one API group, and where their definition comes from. */
interface Served {
  readonly path: string;
  readonly kinds: readonly KindRef[];
  readonly source: string;
  readonly newer: string;
}

const OF_VSO: Served = {
  path: `apis/${apiVersionOf(VAULT_STATIC_SECRET)}`,
  kinds: KINDS.filter(({ group }) => group === VSO_GROUP),
  source: "The definition that keyferry ships. Or install that of Vault Secrets Operator.",
  newer:
    "The definition that keyferry ships. If Helm installed that of Vault Secrets Operator, upgrade the chart instead.",
};

const OF_PUSHES: Served = {
  path: `apis/${apiVersionOf(VAULT_PUSH_SECRET)}`,
  kinds: [VAULT_PUSH_SECRET],
  source: "The definition that keyferry ships. Or remove VaultPushSecret from push.kinds in fleet.yaml.",
  newer: "The definition that keyferry ships.",
};

/** Reads discovery and OpenAPI, which every login may read, not the definitions themselves. */
export const crds: Check<Reached> = {
  subject: "resource definitions",
  async find(reached) {
    const isPushed = reached.settings.push?.kinds.includes("VaultPushSecret") === true;
    const groups = isPushed ? [OF_VSO, OF_PUSHES] : [OF_VSO];
    return (await Promise.all(groups.map((served) => findIn(reached, served)))).flat();
  },
};

async function findIn({ connection, settings, signal }: Reached, from: Served): Promise<readonly Finding[]> {
  const { path, kinds } = from;
  const served = shapesAt(jsonOf(await rawGet(connection, `/${path}`, signal)), "resources");
  const names = new Set(served.map((resource) => textAt(resource, "name")));
  const missing = kinds.filter(({ resource }) => !names.has(resource));
  const openApi = jsonOf(await rawGet(connection, `/openapi/v3/${path}`, signal));
  const schemas = shapeAt(shapeAt(openApi, "components"), "schemas");
  const { name: cluster } = settings;
  return [
    ...missing.map((kind) => missingKind(cluster, kind, from)),
    ...kinds.filter((kind) => !missing.includes(kind)).flatMap((kind) => missingFields(cluster, kind, schemas, from)),
  ];
}

function nameOf(kind: KindRef): string {
  return `${kind.resource}.${kind.group}`;
}

function definitionOf(kind: KindRef): object {
  const name = nameOf(kind);
  return customResourceDefinitions().get(name) ?? ownResourceDefinitions().get(name) ?? {};
}

function missingKind(cluster: string, kind: KindRef, { source }: Served): Finding {
  return finding("CRD_MISSING", {
    cluster,
    where: `CustomResourceDefinition ${nameOf(kind)}`,
    what: `the cluster does not serve ${kind.kind} in version ${kind.version}`,
    remedy: manifest([definitionOf(kind)], [source]),
  });
}

function missingFields(
  cluster: string,
  kind: KindRef,
  schemas: Shape,
  { newer }: Pick<Served, "newer">,
): readonly Finding[] {
  const theirs = Object.values(schemas).find((schema) => isShape(schema) && isOf(schema, kind));
  if (!isShape(theirs)) return [];
  const [version = {}] = shapesAt(shapeAt(definitionOf(kind) as Shape, "spec"), "versions");
  const ours = shapeAt(shapeAt(version, "schema"), "openAPIV3Schema");
  const lacks = lackingFields(
    shapeAt(shapeAt(ours, "properties"), "spec"),
    shapeAt(shapeAt(theirs, "properties"), "spec"),
    "spec",
  );
  if (lacks.length === 0) return [];
  return [
    finding("CRD_FIELDS_MISSING", {
      cluster,
      where: `CustomResourceDefinition ${nameOf(kind)}`,
      what: `it does not know ${some(lacks)}`,
      remedy: manifest([definitionOf(kind)], [newer]),
    }),
  ];
}

function isOf(schema: Shape, { group, version, kind }: KindRef): boolean {
  return shapesAt(schema, "x-kubernetes-group-version-kind").some(
    (found) => found.group === group && found.version === version && found.kind === kind,
  );
}

/** Paths of fields of `ours` that `theirs` would drop. */
export function lackingFields(ours: Shape, theirs: Shape, path: string): readonly string[] {
  if (theirs["x-kubernetes-preserve-unknown-fields"] === true || theirs.additionalProperties !== undefined) return [];
  const items = shapeAt(ours, "items");
  if (Object.keys(items).length > 0) return lackingFields(items, shapeAt(theirs, "items"), `${path}[]`);
  return Object.entries(shapeAt(ours, "properties")).flatMap(([name, field]) => {
    const found = shapeAt(theirs, "properties")[name];
    if (!isShape(found)) return [`${path}.${name}`];
    return isShape(field) ? lackingFields(field, found, `${path}.${name}`) : [];
  });
}
