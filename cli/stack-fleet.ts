import { InputError } from "../lib/errors.ts";
import type { FleetObjects } from "../lib/ports/fleet-objects.ts";
import { requestHandler, type StackFacts } from "./stack.ts";

/** The bucket in which a stack looks for its fleet. */
export interface StackFleet {
  readonly bucket: string;
  /** Of fleet.yaml. */
  readonly key: string;
  readonly objects: FleetObjects;
}

/** Opens the bucket of a stack's fleet. Throws an InputError when the fleet is packaged with the functions. */
export async function openStackFleet(stack: string, { outputs }: StackFacts, instead: string): Promise<StackFleet> {
  const location = outputs.FleetLocation;
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(location) ?? [];
  if (bucket === undefined || key === undefined) {
    throw new InputError(`--stack ${stack}`, [`its fleet is packaged with the functions (${location}): ${instead}`]);
  }
  // Loaded only here, so that commands on one machine don't wait for AWS's clients.
  const [{ S3Client }, { fleetBucket }] = await Promise.all([
    import("@aws-sdk/client-s3"),
    import("../lib/aws/fleet-bucket.ts"),
  ]);
  const client = new S3Client({
    requestHandler,
    followRegionRedirects: true,
    // Outside AWS the bucket is not part of the host name.
    forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined,
  });
  return { bucket, key, objects: fleetBucket({ client, bucket }) };
}
