import { digestOf } from "../../../../lib/digest.ts";
import { type IssuedState, issuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import { requestOf } from "../../../../lib/kinds/issued/request-of.ts";
import type { Obtained } from "../../../../lib/kinds/kind.ts";
import type { Issue } from "../../../../lib/ports/issues.ts";
import type { IssuedData } from "../../../../lib/ports/vault-issues.ts";
import type { Json } from "../../../../lib/util/json.ts";
import { aLease, anIssue, START } from "../../issues/an-issue.ts";
import { ISSUED } from "../../issues/an-issuing-vault.ts";
import { aResolved, aRun, HELD, KEY, type Scene } from "./a-credential.ts";

export const DIGEST = digestOf(KEY, HELD);
export const REFRESH = "keyferry.dev/refresh";
export const SERIAL_END = "1dvxwqtyww";

/** What a row knows of a credential that is in use. */
export const WAS: IssuedState = {
  ...{ request: requestOf(aResolved()), keys: ["password"], asks: [START - 60_000], issuedAt: START - 60_000 },
};
export const live = (changed: Partial<Issue> = {}) =>
  anIssue({ serial: "live", renewWithin: 270, vaultLease: aLease({ issuedAt: START - 60_000 }), ...changed });
export const inUse = (more: Partial<Scene> = {}): Scene => ({
  held: HELD,
  own: WAS,
  ...more,
  state: { digest: DIGEST, issues: [live()], ...more.state },
});
export const leaseless = (): IssuedData => {
  const { lease: _lease, ...rest } = ISSUED;
  return rest;
};

export async function obtained(scene: Scene) {
  const one = aRun(scene);
  const result = (await one.obtain()) as Extract<Obtained, { kind: "data" }>;
  const text = result.data.get("password")?.reveal().toString();
  return { ...one, result, text, own: issuedState({ own: result.own as Json }) };
}

export const asked = (one: { readonly vault: { readonly asked: readonly string[] } }) =>
  one.vault.asked.filter((what) => what !== "takeToWrite").map((what) => what.split(" ")[0]);
