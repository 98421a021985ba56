import { LogFormatter, type Logger, LogItem } from "@aws-lambda-powertools/logger";
import type { LogAttributes, UnformattedAttributes } from "@aws-lambda-powertools/logger/types";
import type { Log, LogFields } from "../ports/telemetry.ts";
import { printableValue } from "../util/printable.ts";

/** Powertools reserves the name `message`, so ours has this one. */
const MESSAGE = "ownMessage";

/**
 * Formats log.ts's lines with the invocation's id:
 * `{"level":"info","time":"…","event":"secret-written","key":"…","request":"…"}`.
 */
export class LineFormatter extends LogFormatter {
  override formatAttributes(own: UnformattedAttributes, fields: LogAttributes): LogItem {
    const { logLevel, message, timestamp, lambdaContext, xRayTraceId } = own;
    const { [MESSAGE]: ownMessage, ...others } = fields;
    const line: LogAttributes = {
      level: logLevel.toLowerCase(),
      time: timestamp.toISOString(),
      event: message,
      ...others,
    };
    if (ownMessage !== undefined) line.message = ownMessage;
    const request = lambdaContext?.awsRequestId;
    if (request !== undefined) line.request = request;
    if (lambdaContext?.coldStart === true) line.cold = true;
    if (xRayTraceId !== undefined) line.trace = xRayTraceId;
    return new LogItem({ attributes: line });
  }
}

/** The Log port on Powertools' logger. */
export function functionLog(logger: Logger): Log {
  const write =
    (name: "debug" | "info" | "warn" | "error") =>
    (event: string, told: LogFields = {}): void => {
      const { message, ...fields } = printableValue(told) as LogFields;
      logger[name](event, message === undefined ? fields : { ...fields, [MESSAGE]: message });
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
