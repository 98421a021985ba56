import { dirname, resolve } from "node:path";
import { type Bucket, bucketFiles, folderFiles } from "../../lib/fleet/files.ts";
import type { FleetSource, LastGood, RemoteFleetOptions } from "../../lib/fleet/fleet-source.ts";
import type { DynamoStore } from "../../lib/store/dynamodb/dynamodb-store.ts";
import type { Config } from "./config.ts";
import { REQUESTS } from "./requests.ts";

/** The configured fleet. Its modules (YAML, the schema, and S3's client for a bucket) are loaded on first use. */
export function fleetOf(
  { fleet }: Config,
  { goodFleets, ...ports }: Pick<RemoteFleetOptions, "clock" | "log" | "metrics"> & Pick<DynamoStore, "goodFleets">,
  forcePathStyle: boolean,
): FleetSource {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(fleet) ?? [];
  if (bucket === undefined || key === undefined) {
    const packaged = once(async () => (await import("../../lib/fleet/fleet-source.ts")).packagedFleet(fleet));
    return { current: async () => (await packaged()).current(), files: folderFiles(dirname(resolve(fleet))) };
  }
  const reader = once(() => readerOf(bucket, forcePathStyle));
  const place: Bucket = { bucket, key, read: async (object, tag) => (await reader()).objects(object, tag) };
  const lastGood: LastGood = {
    fleets: goodFleets,
    read: async (object, version) => (await reader()).versions(object, version),
  };
  const remote = once(async () =>
    (await import("../../lib/fleet/fleet-source.ts")).remoteFleet({ ...place, lastGood, ...ports }),
  );
  return { current: async () => (await remote()).current(), files: bucketFiles(place) };
}

async function readerOf(bucket: string, forcePathStyle: boolean) {
  const [{ S3Client }, { s3Objects, s3Versions }] = await Promise.all([
    import("@aws-sdk/client-s3"),
    import("../../lib/aws/s3-objects.ts"),
  ]);
  const place = { client: new S3Client({ requestHandler: REQUESTS, forcePathStyle }), bucket };
  return { objects: s3Objects(place), versions: s3Versions(place) };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
