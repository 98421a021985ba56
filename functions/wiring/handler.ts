import { injectLambdaContext } from "@aws-lambda-powertools/logger/middleware";
import middy from "@middy/core";
import type { Context } from "aws-lambda";
import { type Deadline, deadlineOf } from "../../lib/aws/deadline.ts";
import { described } from "../../lib/described.ts";
import { InputError } from "../../lib/errors.ts";
import type { Base } from "./base.ts";

export type Handler<R> = (event: unknown, context: Context) => Promise<R>;

/** One invocation: its id in each log line, its deadline, its trace, its metrics at the end, its failure by name. */
export function handlerOf<R>(base: Base, work: (event: unknown, deadline: Deadline) => Promise<R>): Handler<R> {
  const { logger, log, metrics, traces } = base;
  const handler = middy({ timeoutEarlyInMillis: 0 })
    .use(injectLambdaContext(logger))
    .use({
      after: () => metrics.flush(),
      onError: ({ error }) => {
        // The log must say what to repair; an InputError names invalid fields without their values.
        const message = error instanceof InputError ? { message: error.message } : {};
        log.error("invocation-failed", { ...described(error), ...message });
        metrics.count("keyferry_invocations_failed_total", {});
        metrics.flush();
      },
    })
    .handler(async (event: unknown, context: Context): Promise<R> => {
      using deadline = deadlineOf(context);
      return await traces.invocation(() => work(event, deadline));
    });
  return (event, context) => handler(event, context) as Promise<R>;
}
