import type { PodCase } from "./case.ts";

/** Which containers get the files. */
export const SELECTION: readonly PodCase[] = [
  {
    title: "selected containers",
    annotations: { "agent-inject-containers": "log" },
    want: ({ web }) => void web.volumeMounts?.pop(),
  },
  { title: "names of containers are trimmed", annotations: { "agent-inject-containers": " web , log,, " } },
  {
    title: "an unknown container has no effect, with a warning",
    annotations: { "agent-inject-containers": "web,nobody" },
    want: ({ log }) => void log.volumeMounts?.pop(),
    warnings: [/^vault\.hashicorp\.com\/agent-inject-containers: 1 of its names belong to no container/],
  },
];
