import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

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
const IMPORT = /(?:\bfrom\s+|\bimport\s+|\bimport\()"(\.[^"]+)"/g;

/** Each forbidden import, as `file imports target: reason`. */
export function violations(
  files: readonly string[] = sources(),
  read: (file: string) => string = (file) => readFileSync(join(ROOT, file), "utf8"),
): readonly string[] {
  return files.flatMap((file) => {
    const from = placeOf(file);
    if (from === undefined) return [`${file}: add its folder to a layer in infra/check-layers.ts`];
    return [...read(file).matchAll(IMPORT)].flatMap(([, specifier = ""]) => {
      const target = normalize(join(dirname(file), specifier));
      const to = placeOf(target);
      const reason = to === undefined ? undefined : refusal(from, to);
      return reason === undefined ? [] : [`${file} imports ${target}: ${reason}`];
    });
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

function refusal(from: Place, to: Place): string | undefined {
  if (from.level === to.level) {
    return from.layer.apart && from.folder !== to.folder ? `${from.layer.name} do not know each other` : undefined;
  }
  if (to.level > from.level) return `${from.layer.name} is below ${to.layer.name}`;
  const { name, group = name } = to.layer;
  const isKnown = from.layer.knows?.some((known) => known === name || known === group) ?? true;
  return isKnown ? undefined : `${from.layer.name} knows ${from.layer.knows?.join(", ")} only`;
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
