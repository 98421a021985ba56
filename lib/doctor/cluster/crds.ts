import { customResourceDefinitions } from "../../declarations/crd.ts";
import { isShape, type Shape, shapeAt, shapesAt, textAt } from "../../kubernetes/shapes.ts";
import { KINDS, type KindRef, VSO_GROUP } from "../../resource-kinds.ts";
import type { Check, Reached } from "../context.ts";
import { type Finding, finding } from "../finding.ts";
import { manifest, some } from "../remedies.ts";
import { jsonOf, rawGet } from "./reach.ts";

const OURS = KINDS.filter(({ group }) => group === VSO_GROUP);
const PATH = `apis/${VSO_GROUP}/v1beta1`;

/** Reads discovery and OpenAPI, which every login may read, not the definitions themselves. */
export const crds: Check<Reached> = {
  subject: "resource definitions",
  async find({ connection, settings, signal }) {
    const served = shapesAt(jsonOf(await rawGet(connection, `/${PATH}`, signal)), "resources");
    const names = new Set(served.map((resource) => textAt(resource, "name")));
    const missing = OURS.filter(({ resource }) => !names.has(resource));
    const schemas = shapeAt(
      shapeAt(jsonOf(await rawGet(connection, `/openapi/v3/${PATH}`, signal)), "components"),
      "schemas",
    );
    const cluster = settings.name;
    return [
      ...missing.map((kind) => missingKind(cluster, kind)),
      ...OURS.filter((kind) => !missing.includes(kind)).flatMap((kind) => missingFields(cluster, kind, schemas)),
    ];
  },
};

function nameOf(kind: KindRef): string {
  return `${kind.resource}.${kind.group}`;
}

function definitionOf(kind: KindRef): object {
  return customResourceDefinitions().get(nameOf(kind)) ?? {};
}

function missingKind(cluster: string, kind: KindRef): Finding {
  return finding("CRD_MISSING", {
    cluster,
    where: `CustomResourceDefinition ${nameOf(kind)}`,
    what: `the cluster does not serve ${kind.kind} in version ${kind.version}`,
    remedy: manifest(
      [definitionOf(kind)],
      ["The definition that keyferry ships. Or install that of Vault Secrets Operator."],
    ),
  });
}

function missingFields(cluster: string, kind: KindRef, schemas: Shape): readonly Finding[] {
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
      remedy: manifest(
        [definitionOf(kind)],
        [
          "The definition that keyferry ships. If Helm installed that of Vault Secrets Operator, upgrade the chart instead.",
        ],
      ),
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
