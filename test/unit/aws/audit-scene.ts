import { Readable } from "node:stream";
import type { AuditDeps } from "../../../functions/wiring/audit-work.ts";
import type { VaultWithInlets } from "../../../lib/aws/inlet-places.ts";
import type { MissedReason, Taken } from "../../../lib/ports/inlet.ts";
import type { LogFields } from "../../../lib/ports/telemetry.ts";
import { counting, QUIET } from "./records.ts";

/** vault-audit with Vaults whose inlets remember what they got. */
export interface AuditScene extends AuditDeps {
  readonly taken: Record<string, string[]>;
  /** Which ones lines came from. */
  readonly inlets: Set<string>;
  readonly missed: [vault: string, reason: MissedReason][];
  readonly dead: string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly errors: [event: string, fields: LogFields][];
  /** Set: inlets fail with it. */
  failure?: Error;
  /** Set: inlets wait for it. */
  gate?: Promise<void>;
}

export const INLETS: readonly VaultWithInlets[] = [
  {
    name: "main",
    events: {
      cloudwatchLogs: { logGroup: "/vault/main" },
      eventBridge: { source: "vault.main" },
      s3: { bucket: "logs", prefix: "main/" },
      post: { parameter: "/keyferry-prod/post/main" },
    },
  },
];

export function anAudit(objects: Readonly<Record<string, Buffer>> = {}): AuditScene {
  const metrics = counting();
  const scene: AuditScene = {
    taken: {},
    inlets: new Set(),
    missed: [],
    dead: [],
    errors: [],
    counts: metrics.counts,
    vaults: () => INLETS,
    sinkFor: (vault, inlet) => ({
      vault,
      async take({ lines, tooLong }): Promise<Taken> {
        await scene.gate;
        if (scene.failure) throw scene.failure;
        scene.taken[vault] = [...(scene.taken[vault] ?? []), ...lines];
        scene.inlets.add(inlet);
        return { lines: lines.length + tooLong, bad: tooLong, nudged: 0 };
      },
      missed: async (reason) => void scene.missed.push([vault, reason]),
    }),
    openObject: async ({ bucket, key }, use) => {
      const body = objects[`${bucket}/${key}`];
      return body === undefined ? undefined : use(Readable.from([body]));
    },
    deadLetters: async (body) => void scene.dead.push(body),
    log: { ...QUIET, error: (event, fields = {}) => void scene.errors.push([event, fields]) },
    metrics,
  };
  return scene;
}
