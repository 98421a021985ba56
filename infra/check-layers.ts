import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** Packages without I/O and without a clock: layers that ask for both through lib/ports import no others. */
const PURE: readonly string[] = ["lossless-json", "node:crypto", "node:path", "node:url", "node:util", "zod"];

/** What reads the machine's own clock, timers or randomness. */
const OF_THE_MACHINE =
  /\b(?:AbortSignal\.timeout\b|Date\.now\b|new Date\(\)|performance\.now\b|Math\.random\b|set(?:Timeout|Interval|Immediate)\b|system(?:Clock|Sleep|Deadline)\b)/g;

/** Layers and groups that may import no other package, and use none of these. */
export const WITHOUT_IO: readonly string[] = ["injector", "ports", "pure", "rights", "core", "hub objects"];

/**
 * The layers, from the lowest to the highest. A file may import from its own layer and from lower ones; `apart`:
 * folders of this layer never import each other. Biome finds import circles (noImportCycles, types included).
 */
export const LAYERS: readonly Layer[] = [
  { name: "util", folders: ["lib/util"] },
  { name: "root", folders: ["lib"] },
  { name: "injector", folders: ["lib/injector"], knows: ["util", "root"] },
  { name: "ports", folders: ["lib/ports"] },
  { name: "admission", folders: ["lib/admission"], knows: ["util", "root", "ports", "injector"] },
  { name: "pure", folders: ["lib/audit", "lib/declarations", "lib/schedule", "lib/transform"] },
  { name: "rights", folders: ["lib/rights"], knows: ["util", "root", "pure"] },
  { name: "origins, references", group: "core", folders: ["lib/origins", "lib/references"] },
  { name: "failures, rollout", group: "core", folders: ["lib/failures", "lib/rollout"] },
  { name: "issues", group: "core", folders: ["lib/issues"] },
  { name: "nudging", group: "core", folders: ["lib/nudging"] },
  { name: "domain events", group: "core", folders: ["lib/domain-events"] },
  { name: "destinations", group: "core", folders: ["lib/destinations"] },
  { name: "take-over", group: "core", folders: ["lib/vso/take-over"] },
  { name: "kinds", group: "core", folders: ["lib/kinds"] },
  { name: "outages", group: "core", folders: ["lib/outage", "lib/vso/stand-back"] },
  { name: "discovery", group: "core", folders: ["lib/discovery"] },
  { name: "handover", group: "core", folders: ["lib/vso/handover"] },
  { name: "reconcile", group: "core", folders: ["lib/reconcile"] },
  { name: "plan", group: "core", folders: ["lib/plan"] },
  {
    name: "adapters",
    folders: [
      "lib/aws",
      "lib/fleet",
      "lib/inlets",
      "lib/kubernetes",
      "lib/store",
      "lib/telemetry",
      "lib/templates",
      "lib/vault",
      "lib/webhook",
    ],
    apart: true,
    knows: ["util", "root", "ports"],
  },
  { name: "hub objects", folders: ["lib/hubs/objects"], knows: ["util", "root", "ports", "adapters"] },
  { name: "connect", folders: ["lib/connect"], knows: ["util", "root", "ports", "adapters", "hub objects"] },
  {
    name: "hubs",
    folders: ["lib/hubs"],
    knows: ["util", "root", "ports", "core", "adapters", "hub objects", "connect"],
  },
  { name: "doctor", folders: ["lib/doctor"] },
  { name: "engine", folders: ["lib/embedded"], knows: ["util", "root", "ports", "pure", "core"] },
  { name: "entries", folders: ["functions", "cli"] },
];

export interface Layer {
  readonly name: string;
  /** A common name of several layers, for `knows`. */
  readonly group?: string;
  readonly folders: readonly string[];
  readonly apart?: boolean;
  /** The layers or groups that it may import from besides itself; missing: every lower one. */
  readonly knows?: readonly string[];
}

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const IMPORT = /(?:\bfrom\s+|\bimport\s+|\bimport\()"([^"]+)"/g;

/**
 * Each forbidden import, as `file imports target: reason`; a target is a file, or a package as it is written. And each
 * clock, timer or random number of the machine that a layer without I/O uses, as `file uses it: reason`.
 */
export function violations(
  files: readonly string[] = sources(),
  read: (file: string) => string = (file) => readFileSync(join(ROOT, file), "utf8"),
): readonly string[] {
  return files.flatMap((file) => {
    const from = placeOf(file);
    if (from === undefined) return [`${file}: add its folder to a layer in infra/check-layers.ts`];
    const text = read(file);
    const imports = [...text.matchAll(IMPORT)].flatMap(([, specifier = ""]) => {
      const isOurs = specifier.startsWith(".");
      const target = isOurs ? normalize(join(dirname(file), specifier)) : specifier;
      const reason = isOurs ? refusal(from, target) : packageRefusal(from, target);
      return reason === undefined ? [] : [`${file} imports ${target}: ${reason}`];
    });
    return [...imports, ...machineUses(from, text).map((used) => `${file} uses ${used}`)];
  });
}

/** Folders in the list that do not exist. */
export function missingFolders(): readonly string[] {
  const present = new Set(sources().map((file) => placeOf(file)?.folder));
  return LAYERS.flatMap(({ folders }) => folders).filter((folder) => !present.has(folder));
}

interface Place {
  readonly level: number;
  readonly layer: Layer;
  readonly folder: string;
}

function refusal(from: Place, target: string): string | undefined {
  const to = placeOf(target);
  // The version of keyferry.
  if (to === undefined) return target === "package.json" ? undefined : "it is in no layer";
  if (from.level === to.level) {
    return from.layer.apart && from.folder !== to.folder ? `${from.layer.name} do not know each other` : undefined;
  }
  if (to.level > from.level) return `${from.layer.name} is below ${to.layer.name}`;
  const { name, knows } = from.layer;
  return knows === undefined || isAmong(knows, to.layer) ? undefined : `${name} knows ${knows.join(", ")} only`;
}

/** A path within a package is of that package: `zod/mini`. */
function packageRefusal({ layer }: Place, specifier: string): string | undefined {
  if (!isAmong(WITHOUT_IO, layer)) return undefined;
  if (PURE.some((known) => specifier === known || specifier.startsWith(`${known}/`))) return undefined;
  return `${layer.name} has no I/O and no clock of its own: ask through lib/ports, or let PURE name the package`;
}

/** A comment that names one is found as well. */
function machineUses({ layer }: Place, text: string): readonly string[] {
  if (!isAmong(WITHOUT_IO, layer)) return [];
  const reason = `${layer.name} has no clock, timer or randomness of its own: ask for it in deps, so that tests can set it`;
  return [...new Set(text.match(OF_THE_MACHINE))].map((used) => `${used}: ${reason}`);
}

function isAmong(names: readonly string[], { name, group = name }: Layer): boolean {
  return names.includes(name) || names.includes(group);
}

function placeOf(file: string): Place | undefined {
  const folder = dirname(file);
  for (const [level, layer] of LAYERS.entries()) {
    const found = layer.folders.find(
      (known) => folder === known || (known !== "lib" && folder.startsWith(`${known}/`)),
    );
    if (found !== undefined) return { level, layer, folder: found };
  }
  return undefined;
}

function sources(): readonly string[] {
  return globSync("{lib,cli,functions}/**/*.ts", { cwd: ROOT }).sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = [
    ...violations(),
    ...missingFolders().map((folder) => `${folder} is in the list of layers, but does not exist`),
  ];
  for (const violation of found) process.stderr.write(`${violation}\n`);
  process.stderr.write(`layers: ${found.length === 0 ? "as listed" : `${found.length} violations`}\n`);
  process.exitCode = found.length === 0 ? 0 : 1;
}
