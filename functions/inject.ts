import { readFileSync } from "node:fs";
import { Logger } from "@aws-lambda-powertools/logger";
import { Metrics as Emf } from "@aws-lambda-powertools/metrics";
import type { Context, LambdaFunctionURLEvent, LambdaFunctionURLResult } from "aws-lambda";
import { servedByPackage } from "../lib/admission/packaged.ts";
import { telling } from "../lib/admission/telling.ts";
import { MAX_REVIEW_BYTES, NOT_FOUND, webhook } from "../lib/admission/webhook.ts";
import { functionLog, LineFormatter } from "../lib/aws/function-log.ts";
import { functionMetrics } from "../lib/aws/function-metrics.ts";
import { lastGuard } from "../lib/telemetry/last-guard.ts";
import { reviewerOf } from "./wiring/reviewer.ts";

const { KEYFERRY_STACK = "keyferry", KEYFERRY_LOG_LEVEL = "info" } = process.env;
const logger = new Logger({ logLevel: logLevelOf(KEYFERRY_LOG_LEVEL), logFormatter: new LineFormatter() });
const log = functionLog(logger);
const metrics = functionMetrics(new Emf({ namespace: "keyferry", serviceName: KEYFERRY_STACK }));
lastGuard(process, { log, metrics });

/** It is packaged with the function, so that a cold start needs nothing else of AWS. */
const served = servedByPackage(readFileSync(new URL("./injector.json", import.meta.url), "utf8"), reviewerOf);
const { at } = webhook({ served: () => served, elapsed: () => performance.now(), ...telling({ log, metrics }) });

/** Answers an API server that is about to create a pod. */
export async function handler(event: LambdaFunctionURLEvent, context: Context): Promise<LambdaFunctionURLResult> {
  logger.addContext(context);
  try {
    const review = at(event.rawPath);
    if (review === undefined) return resultOf(NOT_FOUND);
    const { method } = event.requestContext.http;
    return resultOf(review({ method, contentType: event.headers["content-type"], body: bodyOf(event) }));
  } finally {
    metrics.flush();
  }
}

function resultOf({ status, headers, body }: typeof NOT_FOUND): LambdaFunctionURLResult {
  return { statusCode: status, headers: { ...headers }, body };
}

function bodyOf({ body = "", isBase64Encoded }: LambdaFunctionURLEvent): Buffer | undefined {
  const bytes = Buffer.from(body, isBase64Encoded ? "base64" : "utf8");
  return bytes.byteLength > MAX_REVIEW_BYTES ? undefined : bytes;
}

function logLevelOf(level: string): "DEBUG" | "INFO" | "WARN" | "ERROR" {
  const levels = { debug: "DEBUG", info: "INFO", warn: "WARN", error: "ERROR" } as const;
  return levels[level as keyof typeof levels] ?? "INFO";
}
