import type { EpochMs } from "../../clock.ts";
import { fingerprint } from "../../digest.ts";
import type { SyncKey } from "../../keys.ts";
import { TARGET_KEPT_MS, type TargetStore } from "../../ports/store.ts";
import { canonical } from "../../util/canonical.ts";
import type { Json } from "../../util/json.ts";
import { parsed } from "../stored.ts";
import type { Connection } from "./connection.ts";

/** How to reach the Vaults of issues. */
export function targetStore(connection: Connection): TargetStore {
  const one = connection.one<{ readonly body: string }>("SELECT body FROM target WHERE digest = :digest");
  const all = connection.all<{ readonly digest: string }>("SELECT digest FROM target ORDER BY digest");
  const put = connection.write(`
    INSERT INTO target (digest, body, unnamed_since) VALUES (:digest, :body, NULL)
    ON CONFLICT (digest) DO UPDATE SET unnamed_since = NULL WHERE unnamed_since IS NOT NULL`);
  const name = connection.index("INSERT INTO ref (ref, key) VALUES (:ref, :key) ON CONFLICT DO NOTHING");
  // A row that was settled since no longer uses a target that its state does not name: it stored the target but never
  // recorded the issue.
  const forget = connection.index(`
    DELETE FROM ref WHERE ref >= 'target:' AND ref < 'target;' AND NOT EXISTS (
      SELECT 1 FROM sync JOIN body ON body.id = sync.body WHERE sync.key = ref.key AND (
        sync.lease_until > :now OR instr(body.issues, substr(ref.ref, 8)) > 0))`);
  const mark = connection.write(`
    UPDATE target SET unnamed_since = :now
    WHERE unnamed_since IS NULL AND NOT EXISTS (SELECT 1 FROM ref WHERE ref.ref = 'target:' || target.digest)`);
  const sweep = connection.write(`
    DELETE FROM target
    WHERE unnamed_since <= :before AND NOT EXISTS (SELECT 1 FROM ref WHERE ref.ref = 'target:' || target.digest)`);
  return {
    putTarget: (target: Json, by: SyncKey) =>
      connection.change("putTarget", () => {
        const digest = fingerprint("target", canonical(target));
        name({ ref: `target:${digest}`, key: by });
        put({ digest, body: JSON.stringify(target) });
        return digest;
      }),
    target: (digest) =>
      connection.read("target", () => {
        const found = one({ digest });
        return found && (parsed(found.body) as Json | undefined);
      }),
    targets: () => connection.read("targets", () => all({}).map(({ digest }) => digest)),
    sweepTargets: (now: EpochMs) =>
      connection.change("sweepTargets", () => {
        forget({ now });
        mark({ now });
        return sweep({ before: now - TARGET_KEPT_MS });
      }),
  };
}
