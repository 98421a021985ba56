import { DynamoDBClient } from "@aws-sdk/client-dynamodb";

/** In ms: to open a connection, and for each request. DynamoDB answers within 10 ms, or hardly ever. */
const CONNECT_MS = 1_000;
const REQUEST_MS = 3_000;

export interface DynamoClientOptions {
  readonly region?: string;
  /** For another DynamoDB API than AWS's. */
  readonly endpoint?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** A client with time-outs for every request, and up to three tries with the SDK's jittered back-off. */
export function dynamoClient(options: DynamoClientOptions = {}): DynamoDBClient {
  return new DynamoDBClient({
    ...options,
    maxAttempts: 3,
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: REQUEST_MS, throwOnRequestTimeout: true },
  });
}
