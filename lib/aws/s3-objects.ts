import type { Readable } from "node:stream";
import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { SyncError } from "../errors.ts";
import { BodyTooLarge, boundedBody } from "../util/bounded-body.ts";
import type { ReadObject } from "../util/read-object.ts";
import { awsError } from "./aws-errors.ts";

const TIMEOUT_MS = 10_000;
/** A fleet of 500 clusters takes 250 KB, a kubeconfig for as many a few MB. */
const MAX_BYTES = 8 * 1_024 * 1_024;

/** Reads objects of one bucket; an unchanged ETag transfers no body. */
export function s3Objects({ client, bucket }: { readonly client: S3Client; readonly bucket: string }): ReadObject {
  return async (key, tag) => {
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: key,
      ...(tag === undefined ? {} : { IfNoneMatch: tag }),
    });
    try {
      const { Body, ETag } = await client.send(command, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
      return { text: String(await boundedBody(Body as Readable, MAX_BYTES)), tag: ETag ?? "" };
    } catch (error) {
      if (statusOf(error) === 304) return "unchanged";
      if (error instanceof Error && error.name === "NoSuchKey") return undefined;
      throw failureOf(error, `object s3://${bucket}/${key}`);
    }
  };
}

function failureOf(error: unknown, object: string): unknown {
  if (!(error instanceof BodyTooLarge)) return awsError(error, object, "s3:GetObject and s3:ListBucket");
  return new SyncError("STORE_INVALID", `${object} has ${error.message}: is it the right one?`);
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  const { httpStatusCode } = error.$metadata as { readonly httpStatusCode?: number };
  return httpStatusCode;
}
