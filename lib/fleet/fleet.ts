import {
  type Document,
  isAlias,
  isCollection,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type YAMLError,
} from "yaml";
import type { z } from "zod";
import { InputError } from "../errors.ts";
import type { InjectorOverrides } from "../injector-settings.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import { type Complaint, complaintsOf, pathText, valueAt } from "../util/complaints.ts";
import { type Connect, connectComplaints } from "./connect-schema.ts";
import { type Hub, hubComplaints } from "./hub-schema.ts";
import {
  type InjectorServing,
  type InjectorServingOfCluster,
  injectorServingComplaints,
} from "./injector-serving-schema.ts";
import { suggestion } from "./known-fields.ts";
import { type NamedVault, namedVaults, withoutEvents } from "./named-vaults.ts";
import { lineAt } from "./positions.ts";
import { fleetSchema } from "./schema.ts";
import { repeatedNames, vaultComplaints } from "./vault-complaints.ts";

/** A cluster of fleet.yaml, with the way to reach it. */
export interface FleetCluster extends ClusterSettings {
  readonly connect: Connect;
  readonly injector?: InjectorOverrides & InjectorServingOfCluster;
}

export interface Fleet {
  readonly clusters: readonly FleetCluster[];
  /** The Vaults that have a name. */
  readonly vaults: readonly NamedVault[];
  /** Clusters whose objects are clusters of the fleet. */
  readonly hubs: readonly Hub[];
  /** What pods get from the injector, in all clusters, and how it is served. */
  readonly injector?: InjectorOverrides & InjectorServing;
}

/** A fleet of 500 clusters takes 250 KB. */
const MAX_CHARACTERS = 4 * 1024 * 1024;

const MAX_COMPLAINTS = 50;

interface Placed {
  readonly line: number;
  readonly text: string;
}

function read(text: string, lineCounter: LineCounter): Document.Parsed {
  return parseDocument(text, { lineCounter, prettyErrors: false, logLevel: "error" });
}

/** YAML's errors, and its warnings (an unknown tag), which count as errors here. */
function syntaxComplaints(document: Document, lines: LineCounter): readonly Placed[] {
  const found = [...document.errors, ...document.warnings].map((problem) => ({
    line: lines.linePos(problem.pos[0]).line,
    text: syntaxText(problem),
  }));
  const tooDeep = found.find(({ text }) => text === TOO_DEEP);
  // The library says it of each level again.
  return tooDeep === undefined ? found : [tooDeep];
}

const TOO_DEEP = "is not valid YAML: it nests too deep";

/** A message for the author of the file: some of the library's are for programmers. */
function syntaxText({ code, message }: YAMLError): string {
  if (code === "MULTIPLE_DOCS") return "must hold one document: leave out what follows after ---";
  if (/call stack/.test(message)) return TOO_DEEP;
  return message.split("\n")[0] ?? "";
}

function aliasComplaints(document: Document, lines: LineCounter): readonly Placed[] {
  const found: Placed[] = [];
  // In one pass: the library looks for the anchor of each alias through the whole document.
  const anchors = new Set<string>();
  visit(document, (_, node) => {
    if (isAlias(node)) {
      if (anchors.has(node.source)) return;
      const line = lines.linePos(node.range?.[0] ?? 0).line;
      found.push({ line, text: `*${node.source} has no anchor &${node.source} before it` });
    } else if ((isScalar(node) || isCollection(node)) && node.anchor !== undefined) anchors.add(node.anchor);
  });
  return found;
}

function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Complaints that concern several fields. */
function crossComplaints(input: unknown): readonly Complaint[] {
  const clusters = items(valueAt(input, ["clusters"]));
  const connects = clusters.flatMap((cluster, at) =>
    connectComplaints(valueAt(cluster, ["connect"]), ["clusters", at, "connect"]),
  );
  return [
    ...connects,
    ...repeatedNames(clusters, ["clusters"], "cluster"),
    ...vaultComplaints(input),
    ...hubsComplaints(input, clusters),
    ...injectorServingComplaints(input),
  ];
}

function hubsComplaints(input: unknown, clusters: readonly unknown[]): readonly Complaint[] {
  const hubs = items(valueAt(input, ["hubs"]));
  const isMap = typeof input === "object" && input !== null && !Array.isArray(input);
  const isList = Array.isArray(valueAt(input, ["clusters"]) ?? []);
  if (isMap && isList && clusters.length === 0 && hubs.length === 0) {
    return [{ path: ["clusters"], message: "must name at least one cluster, unless there are hubs" }];
  }
  return [
    ...repeatedNames(hubs, ["hubs"], "hub"),
    ...hubs.flatMap((hub, at) => [
      ...connectComplaints(valueAt(hub, ["connect"]), ["hubs", at, "connect"]),
      ...hubComplaints(hub, ["hubs", at]),
    ]),
  ];
}

function refuse(fileName: string, complaints: readonly Placed[]): never {
  const sorted = complaints.toSorted((a, b) => a.line - b.line).map(({ line, text }) => `${fileName}:${line}: ${text}`);
  const left = sorted.length - MAX_COMPLAINTS;
  throw new InputError(fileName, left > 0 ? [...sorted.slice(0, MAX_COMPLAINTS), `and ${left} more`] : sorted);
}

function inputOf(document: Document, fileName: string): unknown {
  try {
    return document.toJS();
  } catch {
    return refuse(fileName, [{ line: 1, text: "aliases expand to too much: write them out" }]);
  }
}

function parsed(text: string, fileName: string, lines: LineCounter): Document.Parsed {
  if (text.length > MAX_CHARACTERS) refuse(fileName, [{ line: 1, text: `more than ${MAX_CHARACTERS} characters` }]);
  try {
    return read(text, lines);
  } catch {
    return refuse(fileName, [{ line: 1, text: TOO_DEEP }]);
  }
}

/** With the fleet's word on who registers the webhook, because permissions are those of one cluster's settings. */
function managed<S extends Pick<ClusterSettings, "injector">>(settings: S, manage?: boolean): S {
  return manage === undefined ? settings : { ...settings, injector: { manage, ...settings.injector } };
}

/** Adds the fleet's Vaults to each cluster's settings, because the checks of declarations need both. */
function fleetOf(parsed: z.infer<typeof fleetSchema>): Fleet {
  const vaults = namedVaults(parsed.vaults);
  const manage = parsed.injector?.manage;
  const clusters = (parsed.clusters as readonly FleetCluster[]).map((cluster) => managed(cluster, manage));
  const hubs = (parsed.hubs as readonly Hub[]).map((hub) => ({ ...hub, defaults: managed(hub.defaults, manage) }));
  const injector = parsed.injector === undefined ? {} : { injector: parsed.injector as Fleet["injector"] & object };
  if (vaults.length === 0) return { vaults, clusters, hubs, ...injector };
  const known = withoutEvents(vaults);
  return {
    ...injector,
    vaults,
    clusters: clusters.map((cluster) => ({ ...cluster, vaults: known })),
    hubs: hubs.map((hub) => ({ ...hub, defaults: { ...hub.defaults, vaults: known } })),
  };
}

/** The fleet with defaults. Throws an InputError with all complaints: `fleet.yaml:12: clusters[0].name: …`. */
export function parseFleet(text: string, fileName: string): Fleet {
  const lines = new LineCounter();
  const document = parsed(text, fileName, lines);
  const syntax = [...syntaxComplaints(document, lines), ...aliasComplaints(document, lines)];
  if (syntax.length > 0) refuse(fileName, syntax);
  const input = inputOf(document, fileName);
  const result = fleetSchema.safeParse(input);
  const own = result.success ? [] : complaintsOf(result.error, input);
  const complaints = [...own, ...crossComplaints(input)];
  if (result.success && complaints.length === 0) return fleetOf(result.data);
  return refuse(
    fileName,
    complaints.map(({ path, message }) => {
      const hint = message === "unknown field" ? suggestion(path) : "";
      const at = pathText(path);
      return { line: lineAt(document, lines, path), text: `${at === "" ? "" : `${at}: `}${message}${hint}` };
    }),
  );
}
