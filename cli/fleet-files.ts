import { stat } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import { SyncError } from "../lib/errors.ts";
import { folderFiles, objectKey } from "../lib/fleet/files.ts";
import type { Fleet } from "../lib/fleet/fleet.ts";
import { type NamedFile, namedFiles } from "../lib/fleet/named-files.ts";
import { portability } from "../lib/kubernetes/portable.ts";

/** Something that does not prevent an upload, but that a person should know. */
export interface FileWarning {
  readonly file: string;
  readonly message: string;
}

/** The files of a fleet as its functions will see them. */
export interface FleetUpload {
  /** Their content by their keys in the bucket. */
  readonly files: ReadonlyMap<string, string>;
  /** What would not work there, each with its field. */
  readonly problems: readonly string[];
  readonly warnings: readonly FileWarning[];
}

/** Folders that functions on AWS have. */
const IN_FUNCTIONS = ["/var/task/", "/opt/", "/etc/"];

/** Reads every file that a fleet names, and checks that it works from a bucket. */
export async function filesToUpload(fleet: Fleet, folder: string, fleetKey: string): Promise<FleetUpload> {
  const files = new Map<string, string>();
  const problems: string[] = [];
  const warnings: FileWarning[] = [];
  for (const file of namedFiles(fleet)) {
    const found = await fileToUpload(file, folder, fleetKey);
    problems.push(...found.problems.map((problem) => `${file.fields[0]}: ${problem}`));
    warnings.push(...found.warnings.map((message) => ({ file: file.path, message })));
    if (found.object) files.set(...found.object);
  }
  return { files, problems, warnings };
}

interface Found {
  readonly object?: readonly [key: string, text: string];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

async function fileToUpload(file: NamedFile, folder: string, fleetKey: string): Promise<Found> {
  const { path } = file;
  if (isAbsolute(path)) return absolute(path);
  const key = objectKey(fleetKey, path);
  if (key === undefined) {
    return refused(`${path} is outside the folder of fleet.yaml, and the bucket has no such place: move it there`);
  }
  if (key === fleetKey) return refused(`${path} would replace fleet.yaml in the bucket: rename it`);
  try {
    const text = await folderFiles(folder).text(path);
    const { problems, warnings } = checked(file, text);
    return {
      object: [key, text],
      problems: problems.map((problem) => `${path}: ${problem}`),
      warnings: [...(await openness(file, folder)), ...warnings],
    };
  } catch (error) {
    if (error instanceof SyncError) return refused(error.message);
    throw error;
  }
}

function refused(problem: string): Found {
  return { problems: [problem], warnings: [] };
}

function absolute(path: string): Found {
  if (!IN_FUNCTIONS.some((folder) => path.startsWith(folder))) {
    return refused(`${path} does not exist in the functions: put it beside fleet.yaml, and name it by a relative path`);
  }
  return { problems: [], warnings: ["not uploaded: the functions look for it in their own file system"] };
}

function checked({ holds, contexts }: NamedFile, text: string): Omit<Found, "object"> {
  if (holds !== "kubeconfig") return { problems: text.trim() === "" ? ["it is empty"] : [], warnings: [] };
  const { problems, unused } = portability(text, contexts);
  const users = unused.join(", ");
  const warning = `holds credentials that the fleet does not use (users ${users}), and they are uploaded too: remove them with kubectl config view --raw --flatten --minify`;
  return { problems, warnings: unused.length === 0 ? [] : [warning] };
}

/** Whether others on this machine may read or change a file with credentials. */
async function openness({ path, holds }: NamedFile, folder: string): Promise<readonly string[]> {
  if (holds === "certificates") return [];
  const mode = (await stat(resolve(folder, path))).mode & 0o777;
  if ((mode & 0o077) === 0) return [];
  return [
    `others on this machine may use it (mode ${mode.toString(8)}): whoever reads it can log in to its cluster; set its mode to 600`,
  ];
}
