import type { Readable } from "node:stream";
import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { awsError } from "./aws-errors.ts";

/** Reads an object as a stream, and answers what `use` makes of it. Undefined: there is no such object. */
export type OpenObject = <T>(
  place: { readonly bucket: string; readonly key: string },
  use: (body: Readable) => Promise<T>,
  signal: AbortSignal,
) => Promise<T | undefined>;

/** Objects of any bucket that the role may read. */
export function s3Streams(client: () => Promise<Pick<S3Client, "send">>): OpenObject {
  return async ({ bucket, key }, use, signal) => {
    const command = new GetObjectCommand({ Bucket: bucket, Key: key });
    try {
      const { Body } = await (await client()).send(command, { abortSignal: signal });
      return await use(Body as Readable);
    } catch (error) {
      signal.throwIfAborted();
      if (isMissing(error)) return undefined;
      throw awsError(error, `an object in s3://${bucket}`, "s3:GetObject, s3:ListBucket, and kms:Decrypt on its key");
    }
  };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && (error.name === "NoSuchKey" || error.name === "NoSuchBucket");
}
