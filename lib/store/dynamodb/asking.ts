import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Random } from "../../clock.ts";

/** The time limit of one request including the SDK's retries, in ms. */
export const REQUEST_TIMEOUT_MS = 10_000;

export type Client = Pick<DynamoDBClient, "send">;

/** Sends one request with a time-out, and maps its errors. */
export type Ask = <T>(
  operation: string,
  send: (options: { readonly abortSignal: AbortSignal }) => Promise<T>,
) => Promise<T>;

export interface Asking {
  readonly client: Client;
  readonly table: string;
  readonly ask: Ask;
  readonly random: Random;
  /** Counts written items. */
  readonly written: (items: number, what?: "writes" | "indexWrites") => void;
}
