import { randomBytes, randomUUID } from "node:crypto";
import { dirname, resolve } from "node:path";
import { systemClock } from "../lib/clock.ts";
import { type DigestKey, digestKey } from "../lib/digest.ts";
import { InputError } from "../lib/errors.ts";
import { bucketFiles, folderFiles } from "../lib/fleet/files.ts";
import { type Fleet, parseFleet } from "../lib/fleet/fleet.ts";
import { readFleet } from "../lib/fleet/read-fleet.ts";
import { copyTable } from "../lib/plan/copied-table.ts";
import type { FleetFiles } from "../lib/ports/fleet-files.ts";
import { type SqliteStore, simulatedSqliteStore } from "../lib/store/sqlite/sqlite-store.ts";
import { peekDataDir } from "./data-dir.ts";
import { say } from "./output.ts";
import { openStack, requestHandler, type StackFacts, stackFacts } from "./stack.ts";
import { openStackFleet } from "./stack-fleet.ts";

export interface PlanSource {
  readonly fleet: string;
  /** Whether a person named the fleet, instead of the default. */
  readonly isFleetNamed: boolean;
  readonly dataDir: string;
  readonly stack?: string;
}

/** The input of a plan: a fleet, and a copy of an engine's state that may be changed. */
export interface PlanInputs {
  readonly fleet: Fleet;
  readonly files: FleetFiles;
  readonly store: SqliteStore;
  readonly digestKey: DigestKey;
  readonly installation: string;
}

/** Reads the state of a data directory or a stack, and the fleet that belongs to it or is named. Changes neither. */
export async function planInputs(source: PlanSource): Promise<PlanInputs> {
  return source.stack === undefined ? localInputs(source) : stackInputs(source, source.stack);
}

async function localInputs({ fleet: path, dataDir }: PlanSource): Promise<PlanInputs> {
  const { fleet, folder } = await readFleet(path);
  const known = peekDataDir(dataDir);
  if (!known) say(`${dataDir} holds no state: planning a first run`);
  const store = simulatedSqliteStore(known?.statePath);
  await store.expireLeases(systemClock());
  const { digestKey: key, installation } = known ?? { digestKey: newKey(), installation: randomUUID() };
  return { fleet, files: folderFiles(folder), store, digestKey: key, installation };
}

async function stackInputs({ fleet: path, isFleetNamed }: PlanSource, stack: string): Promise<PlanInputs> {
  const facts = await stackFacts(stack);
  const { fleet, files } = isFleetNamed ? await namedFleet(path) : await stackFleet(stack, facts);
  const key = await stackKey(stack, facts);
  say(`copying the lease table ${facts.outputs.LeaseTableName}`);
  const { leases } = await openStack(stack, systemClock);
  const store = simulatedSqliteStore(undefined);
  await copyTable(leases, store, systemClock());
  return { fleet, files, store, digestKey: key, installation: facts.outputs.Installation };
}

type NamedFleet = Pick<PlanInputs, "fleet" | "files">;

async function namedFleet(path: string): Promise<NamedFleet> {
  return { fleet: (await readFleet(path)).fleet, files: folderFiles(dirname(resolve(path))) };
}

async function stackFleet(stack: string, facts: StackFacts): Promise<NamedFleet> {
  const instead = "add --fleet with the file from which it was deployed";
  const { bucket, key, objects } = await openStackFleet(stack, facts, instead);
  const name = `s3://${bucket}/${key}`;
  const found = await objects.read(key);
  if (found === undefined || found === "unchanged") {
    throw new InputError(name, ["there is no such object: upload it with keyferry fleet push"]);
  }
  return { fleet: parseFleet(found.text, name), files: bucketFiles({ bucket, key, read: objects.read }) };
}

/** The stack's key of digests, without which no digest of the table can be compared. */
async function stackKey(stack: string, { id }: StackFacts): Promise<DigestKey> {
  const [{ SSMClient }, { existingKey }] = await Promise.all([
    import("@aws-sdk/client-ssm"),
    import("../lib/aws/shared-key.ts"),
  ]);
  const client = new SSMClient({ requestHandler });
  const key = await existingKey({ client, parameter: `/${stack}/${id}/digest-key` });
  if (key === undefined) say(`stack ${stack} has synced nothing yet: planning a first run`);
  return key === undefined ? newKey() : digestKey(key);
}

function newKey(): DigestKey {
  return digestKey(randomBytes(32));
}
