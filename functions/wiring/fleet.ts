import type { FleetSource, RemoteFleetOptions } from "../../lib/fleet/fleet-source.ts";
import type { Config } from "./config.ts";
import { REQUESTS } from "./requests.ts";

/** The configured fleet. Its modules (YAML, the schema, and S3's client for a bucket) are loaded on first use. */
export function fleetOf(
  { fleet }: Config,
  ports: Pick<RemoteFleetOptions, "clock" | "log" | "metrics">,
  forcePathStyle: boolean,
): FleetSource {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(fleet) ?? [];
  return whenAsked(async () => {
    const { packagedFleet, remoteFleet } = await import("../../lib/fleet/fleet-source.ts");
    if (bucket === undefined || key === undefined) return packagedFleet(fleet);
    const [{ S3Client }, { s3Objects }] = await Promise.all([
      import("@aws-sdk/client-s3"),
      import("../../lib/aws/s3-objects.ts"),
    ]);
    const client = new S3Client({ requestHandler: REQUESTS, forcePathStyle });
    return remoteFleet({ bucket, key, read: s3Objects({ client, bucket }), ...ports });
  });
}

function whenAsked(make: () => Promise<FleetSource>): FleetSource {
  let made: Promise<FleetSource> | undefined;
  const source = (): Promise<FleetSource> => {
    made ??= make();
    return made;
  };
  return {
    current: async () => (await source()).current(),
    access: async (cluster) => (await source()).access(cluster),
    text: async (path) => (await source()).text(path),
  };
}
