import type { Readable } from "node:stream";
import { GetObjectCommand, type GetObjectCommandInput, type S3Client } from "@aws-sdk/client-s3";
import { SyncError } from "../errors.ts";
import { BodyTooLarge, boundedBody } from "../util/bounded-body.ts";
import type { FoundObject, ReadObject, ReadVersion } from "../util/read-object.ts";
import { awsError } from "./aws-errors.ts";

const TIMEOUT_MS = 10_000;
/** A fleet of 500 clusters takes 250 KB, a kubeconfig for as many a few MB. */
const MAX_BYTES = 8 * 1_024 * 1_024;

interface Place {
  readonly client: S3Client;
  readonly bucket: string;
}

/** Reads objects of one bucket; an unchanged ETag transfers no body. */
export function s3Objects(place: Place): ReadObject {
  return async (key, tag) => {
    try {
      return await found(place, key, tag === undefined ? {} : { IfNoneMatch: tag });
    } catch (error) {
      if (statusOf(error) === 304) return "unchanged";
      if (error instanceof Error && error.name === "NoSuchKey") return undefined;
      throw failureOf(error, `object s3://${place.bucket}/${key}`, "s3:GetObject and s3:ListBucket");
    }
  };
}

/** Reads earlier versions of objects of one bucket. */
export function s3Versions(place: Place): ReadVersion {
  return async (key, version) => {
    try {
      return await found(place, key, { VersionId: version });
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw failureOf(error, `object s3://${place.bucket}/${key} in an earlier version`, "s3:GetObjectVersion");
    }
  };
}

async function found(
  { client, bucket }: Place,
  key: string,
  which: Pick<GetObjectCommandInput, "IfNoneMatch" | "VersionId">,
): Promise<FoundObject> {
  const command = new GetObjectCommand({ Bucket: bucket, Key: key, ...which });
  const answer = await client.send(command, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
  const { Body, ETag, VersionId, LastModified } = answer;
  const text = String(await boundedBody(Body as Readable, MAX_BYTES));
  const isOne = VersionId !== undefined && LastModified !== undefined;
  return { text, tag: ETag ?? "", ...(isOne ? { version: { id: VersionId, at: LastModified.getTime() } } : {}) };
}

function failureOf(error: unknown, object: string, permission: string): unknown {
  if (!(error instanceof BodyTooLarge)) return awsError(error, object, permission);
  return new SyncError("STORE_INVALID", `${object} has ${error.message}: is it the right one?`);
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  const { httpStatusCode } = error.$metadata as { readonly httpStatusCode?: number };
  return httpStatusCode;
}
