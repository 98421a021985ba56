import { DynamoDBClient } from "@aws-sdk/client-dynamodb";

/** To open a connection, and from a request to its answer, in ms: DynamoDB answers in 10 ms, or hardly ever. */
const CONNECT_MS = 1_000;
const REQUEST_MS = 3_000;

export interface DynamoClientOptions {
  readonly region?: string;
  /** Of another DynamoDB API than AWS's. */
  readonly endpoint?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** A client whose every request ends: with up to three tries, apart by the SDK's jittered back-off. */
export function dynamoClient(options: DynamoClientOptions = {}): DynamoDBClient {
  return new DynamoDBClient({
    ...options,
    maxAttempts: 3,
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: REQUEST_MS, throwOnRequestTimeout: true },
  });
}
