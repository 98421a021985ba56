import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { ReadObject } from "../read-object.ts";
import { awsError } from "./aws-errors.ts";

const TIMEOUT_MS = 10_000;

/** Reads objects of one bucket; one that has not changed since its tag is not sent again. */
export function s3Objects({ client, bucket }: { readonly client: S3Client; readonly bucket: string }): ReadObject {
  return async (key, tag) => {
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: key,
      ...(tag === undefined ? {} : { IfNoneMatch: tag }),
    });
    try {
      const { Body, ETag } = await client.send(command, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
      return { text: (await Body?.transformToString()) ?? "", tag: ETag ?? "" };
    } catch (error) {
      if (statusOf(error) === 304) return "unchanged";
      if (error instanceof Error && error.name === "NoSuchKey") return undefined;
      throw awsError(error, `object s3://${bucket}/${key}`, "s3:GetObject and s3:ListBucket");
    }
  };
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  const { httpStatusCode } = error.$metadata as { readonly httpStatusCode?: number };
  return httpStatusCode;
}
