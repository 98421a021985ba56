import assert from "node:assert/strict";
import { it } from "node:test";
import { clusterView } from "../../../cli/status-view.ts";

it("the status of a cluster warns that it says to be another one, and still counts it as in order", () => {
  const state = { cursors: {}, attempts: 0, uid: "u", sameAs: "prod" };
  const shown = clusterView("east", { name: "east", state, fence: 1, dueAt: 0 }, []);
  assert.deepEqual([shown.state, shown.warnings?.length], ["ok", 1]);
  assert.match(shown.warnings?.[0] ?? "", /same uid of kube-system as cluster prod/);
});
