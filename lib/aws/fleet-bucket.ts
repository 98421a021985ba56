import {
  DeleteObjectCommand,
  GetBucketEncryptionCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from "@aws-sdk/client-s3";
import { SyncError } from "../errors.ts";
import type { FleetObjects } from "../ports/fleet-objects.ts";
import { awsError } from "./aws-errors.ts";
import { s3Objects } from "./s3-objects.ts";

const TIMEOUT_MS = 10_000;
/** Objects beside a fleet: 500 clusters have some thousand files at most. */
const MAX_PAGES = 20;
/** Marks objects that keyferry uploaded. */
const MARK = { "uploaded-by": "keyferry" };

type Encryption = Pick<PutObjectCommandInput, "ServerSideEncryption" | "SSEKMSKeyId" | "BucketKeyEnabled">;

/** A bucket to upload a fleet to. */
export function fleetBucket({ client, bucket }: { readonly client: S3Client; readonly bucket: string }): FleetObjects {
  const within = () => ({ abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
  let encryption: Promise<Encryption> | undefined;
  const failed = (error: unknown, key: string, permission: string): unknown =>
    awsError(error, `object s3://${bucket}/${key}`, permission);
  return {
    read: s3Objects({ client, bucket }),
    async put(key, text, replaces) {
      encryption ??= encryptionOf(client, bucket);
      const condition = replaces === "absent" ? { IfNoneMatch: "*" } : replaces && { IfMatch: replaces.tag };
      const object = { Bucket: bucket, Key: key, Body: text, Metadata: MARK };
      const command = new PutObjectCommand({ ...object, ...condition, ...(await encryption) });
      try {
        await client.send(command, within());
        return true;
      } catch (error) {
        if (condition !== undefined && isOvertaken(error)) return false;
        throw failed(error, key, "s3:PutObject, and kms:GenerateDataKey and kms:Decrypt of the bucket's key");
      }
    },
    async list(prefix) {
      const keys: string[] = [];
      let token: string | undefined;
      for (let page = 0; page < MAX_PAGES; page++) {
        const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token });
        const found = await client.send(command, within()).catch((error: unknown) => {
          throw awsError(error, `bucket ${bucket}`, "s3:ListBucket");
        });
        keys.push(...(found.Contents ?? []).flatMap(({ Key }) => Key ?? []));
        token = found.NextContinuationToken;
        if (token === undefined) return keys;
      }
      throw new SyncError("STORE_INVALID", `bucket ${bucket} has more than ${MAX_PAGES}000 objects: remove old ones`);
    },
    async isOurs(key) {
      try {
        const { Metadata = {} } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), within());
        return Object.entries(MARK).every(([name, value]) => Metadata[name] === value);
      } catch (error) {
        throw failed(error, key, "s3:GetObject");
      }
    },
    async remove(key) {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), within()).catch((error: unknown) => {
        throw failed(error, key, "s3:DeleteObject");
      });
    },
  };
}

/**
 * The bucket's default, sent with each object, because a bucket's policy may demand these headers. S3 applies the
 * default by itself where it may not be read.
 */
async function encryptionOf(client: S3Client, bucket: string): Promise<Encryption> {
  try {
    const command = new GetBucketEncryptionCommand({ Bucket: bucket });
    const answer = await client.send(command, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
    const [rule] = answer.ServerSideEncryptionConfiguration?.Rules ?? [];
    const { SSEAlgorithm, KMSMasterKeyID } = rule?.ApplyServerSideEncryptionByDefault ?? {};
    if (SSEAlgorithm === undefined) return {};
    return {
      ServerSideEncryption: SSEAlgorithm,
      ...(KMSMasterKeyID === undefined ? {} : { SSEKMSKeyId: KMSMasterKeyID }),
      ...(rule?.BucketKeyEnabled === undefined ? {} : { BucketKeyEnabled: rule.BucketKeyEnabled }),
    };
  } catch {
    return {};
  }
}

function isOvertaken(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    error.name === "PreconditionFailed" || error.name === "ConditionalRequestConflict" || error.name === "NoSuchKey"
  );
}
