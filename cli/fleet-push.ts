import { InputError } from "../lib/errors.ts";
import { parseFleet } from "../lib/fleet/fleet.ts";
import { pushFleet } from "../lib/fleet/push-fleet.ts";
import { readFleet } from "../lib/fleet/read-fleet.ts";
import { filesToUpload } from "./fleet-files.ts";
import { pushText } from "./fleet-view.ts";
import { print, printJson, say } from "./output.ts";
import { stackFacts } from "./stack.ts";
import { openStackFleet } from "./stack-fleet.ts";

export interface FleetPushFlags {
  readonly fleet: string;
  readonly stack: string;
  readonly dryRun: boolean;
  readonly prune: boolean;
  readonly output: "table" | "json";
}

const DEPLOY_INSTEAD =
  "change the files in fleet/ and deploy again, or remove the setting fleet, so that the stack reads its bucket";

/** Checks a fleet and uploads it, with the files that it names, to the bucket of a stack. Exits with 0. */
export async function fleetPushCommand(flags: FleetPushFlags): Promise<number> {
  const { fleet: path, stack, dryRun, prune, output } = flags;
  const { fleet, folder, text } = await readFleet(path);
  const { bucket, key, objects } = await openStackFleet(stack, await stackFacts(stack), DEPLOY_INSTEAD);
  const { files, problems, warnings } = await filesToUpload(fleet, folder, key);
  if (problems.length > 0) throw new InputError(path, problems);
  say(`${dryRun ? "comparing" : "uploading"} ${files.size + 1} files`);
  const result = await pushFleet(objects, { bucket, key, text, fleet, files }, { dryRun, prune });
  const view = { location: `s3://${bucket}/${key}`, dryRun, ...result, warnings };
  if (output === "json") printJson(view);
  else print(pushText(view));
  return 0;
}

export interface FleetShowFlags {
  readonly stack: string;
}

/** Prints the fleet.yaml of a stack as it is. Exits with 0, or with 1 if it is not valid. */
export async function fleetShowCommand({ stack }: FleetShowFlags): Promise<number> {
  const instead = "see the folder fleet/ from which it was deployed";
  const { bucket, key, objects } = await openStackFleet(stack, await stackFacts(stack), instead);
  const name = `s3://${bucket}/${key}`;
  const found = await objects.read(key);
  if (found === undefined || found === "unchanged") {
    throw new InputError(name, ["there is no such object: upload it with keyferry fleet push"]);
  }
  print(found.text);
  try {
    parseFleet(found.text, name);
    return 0;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    say(error.message);
    return 1;
  }
}
