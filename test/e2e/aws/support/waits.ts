/**
 * A tick comes each minute, and a watch pass takes some seconds. But a message whose invocation failed, because what
 * stands for AWS was too busy to answer in time, comes again after six minutes only.
 */
export const A_TICK_MS = 420_000;
