import type { KubeconfigWay } from "../fleet/connect-schema.ts";
import { goodFor } from "./good-for.ts";
import type { Way } from "./way.ts";

/**
 * A kubeconfig. Does not read local files: each connection reads them, again and again, so that rotated tokens and
 * certificates are used.
 */
export const kubeconfig: Way<KubeconfigWay> = async ({ path, context }, { files, clock, mayExec }) => {
  const chosen = { ...(context === undefined ? {} : { context }), ...(mayExec ? {} : { mayExec }) };
  const local = files.local(path);
  if (local !== undefined) return { kubeConfig: { path: local }, ...chosen };
  return { kubeConfig: { text: await files.text(path) }, ...chosen, ...goodFor(clock) };
};
