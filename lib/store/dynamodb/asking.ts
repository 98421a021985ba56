import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Random } from "../../clock.ts";

/** All that one request may take, the SDK's own repeats included, in ms. */
export const REQUEST_TIMEOUT_MS = 10_000;

export type Client = Pick<DynamoDBClient, "send">;

/** Sends one request: with its time-out, and its errors by their names. */
export type Ask = <T>(
  operation: string,
  send: (options: { readonly abortSignal: AbortSignal }) => Promise<T>,
) => Promise<T>;

export interface Asking {
  readonly client: Client;
  readonly table: string;
  readonly ask: Ask;
  readonly random: Random;
  /** Counts items that were written. */
  readonly written: (items: number, what?: "writes" | "indexWrites") => void;
}
