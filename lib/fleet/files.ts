import { posix, resolve } from "node:path";
import { SyncError } from "../errors.ts";
import type { FleetFiles } from "../ports/fleet-files.ts";
import { boundedFile } from "../util/bounded-file.ts";
import { codeOf } from "../util/error-code.ts";
import type { ReadObject } from "../util/read-object.ts";

/** Files in this file system, relative to the folder of fleet.yaml. */
export function folderFiles(folder: string): FleetFiles {
  return {
    local: (path) => resolve(folder, path),
    text: (path) => textOf(resolve(folder, path)),
  };
}

export interface Bucket {
  /** Its name, for messages. */
  readonly bucket: string;
  /** The key of fleet.yaml; relative paths in it are keys beside it. */
  readonly key: string;
  readonly read: ReadObject;
}

/** The key of a file that the fleet at `fleetKey` names. Undefined for a path that leaves the bucket. */
export function objectKey(fleetKey: string, path: string): string | undefined {
  const key = posix.normalize(posix.join(posix.dirname(fleetKey), path));
  return key.startsWith("..") ? undefined : key;
}

/** Objects beside fleet.yaml in its bucket. An absolute path is a file in the function's package. */
export function bucketFiles({ bucket, key: fleetKey, read }: Bucket): FleetFiles {
  return {
    local: (path) => (posix.isAbsolute(path) ? path : undefined),
    async text(path) {
      if (posix.isAbsolute(path)) return textOf(path);
      const key = objectKey(fleetKey, path);
      const found = key === undefined ? undefined : await read(key);
      if (found !== undefined && found !== "unchanged") return found.text;
      throw new SyncError(
        "REFERENCE_INVALID",
        `there is no object s3://${bucket}/${key ?? path}: upload the file that ${fleetKey} names`,
      );
    },
  };
}

async function textOf(path: string): Promise<string> {
  return boundedFile(path).catch((error: unknown) => {
    throw new SyncError("REFERENCE_INVALID", `${path} can't be read (${codeOf(error) ?? "unknown"})`);
  });
}
