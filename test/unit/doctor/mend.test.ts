import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { doctorText, mendText } from "../../../cli/doctor-view.ts";
import { mustBeOne } from "../../../cli/named-clusters.ts";
import { operatorNamespace, otherController } from "../../../lib/doctor/cluster/operator.ts";
import type { Reached } from "../../../lib/doctor/context.ts";
import { finding } from "../../../lib/doctor/finding.ts";
import { commands, manifest } from "../../../lib/doctor/remedies.ts";
import { aCluster } from "../../builders.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const about = { cluster: "one", where: "here", what: "broken" };
const scale = finding("VSO_AT_WORK", { ...about, remedy: commands(["kubectl scale x"]) });
const namespace = finding("NAMESPACE_MISSING", { ...about, remedy: manifest([{ kind: "Namespace" }]) });

describe("--mend", () => {
  it("begins with the cluster that it is for, and the context of its commands", () => {
    const of = (kind: "commands" | "manifest", context?: string) =>
      mendText([scale, namespace], kind, { cluster: "one", ...(context !== undefined && { context }) });
    assert.equal(
      of("commands"),
      "# cluster one (commands use kubectl's current context unless --context is given)\nkubectl scale x\n",
    );
    assert.equal(
      of("commands", "admin\n@one"),
      "# cluster one (commands use kubectl's context admin @one)\nkubectl scale x\n",
    );
    assert.match(of("manifest"), /^# cluster one \(kubectl apply uses its current context .*\)\nkind: Namespace\n$/);
    assert.match(of("manifest", "admin@one"), /^# cluster one \(for kubectl --context admin@one apply -f -\)\n/);
    assert.equal(mendText([], "commands", { cluster: "one" }), "");
    assert.equal(mendText([scale], "commands", {}), "kubectl scale x\n");
  });

  it("is for exactly one cluster", () => {
    const named = (...names: readonly string[]) => names.map((name) => ({ name }));
    const check = (...names: readonly string[]) => mustBeOne(named(...names), "--mend commands", "doctor");
    check("one");
    assert.throws(() => check("one", "two"), {
      name: "InputError",
      message: /--mend commands is for one cluster, as kubectl works in one: name one of one, two$/,
    });
    assert.throws(() => check("a", "b", "c", "d"), /name one of a, b, c and 1 more$/);
    assert.throws(() => check(), /the fleet has none$/);
  });

  it("people see the context of a manifest, too", () => {
    assert.match(doctorText([namespace], 1), /mend it with kubectl apply -f -:/);
    assert.match(doctorText([namespace], 1, "admin@one"), /mend it with kubectl --context admin@one apply -f -:/);
  });
});

const NOW = 1_800_000_000_000;

/** A cluster with the mark of installation `theirs`, in which Vault Secrets Operator works. */
function reached(deps: { readonly installation?: string; readonly context?: string }): Reached {
  const clusters = {
    installation: async () => ({ id: "theirs", uid: "m" }),
    namespaceUid: async () => "u",
    vsoLease: async () => ({ holder: "vso-1", renewedAt: NOW, durationMs: 15_000 }),
  };
  return {
    settings: aCluster({ name: "one", operatorNamespace: "vso" }),
    signal: new AbortController().signal,
    deps: { clock: () => NOW, leases: { cluster: async () => undefined }, apis: { clusters }, ...deps },
  } as unknown as Reached;
}

describe("a remedy for kubectl", () => {
  it("has the context that --context names, and otherwise none", async () => {
    const scaled = async (context?: string) =>
      (await otherController.find(reached({ ...(context !== undefined && { context }) })))[0]?.remedy?.text;
    assert.match((await scaled("admin@one")) ?? "", /^kubectl --context admin@one scale deployment -n vso /m);
    assert.match((await scaled("a'b c")) ?? "", /^kubectl --context 'a'\\''b c' scale deployment -n vso /m);
    assert.match((await scaled()) ?? "", /^kubectl scale deployment -n vso /m);
  });

  it("is written by the one function that knows the context, whatever it mends", () => {
    const raw = globSync("lib/doctor/**/*.ts", { cwd: ROOT }).flatMap((path) => {
      const lines = readFileSync(join(ROOT, path), "utf8").split("\n");
      // `kubectl config` changes a file, and reaches no cluster.
      return lines.filter((line) => /[`"(]kubectl (?!config )/.test(line) && !/^ *(\/\*)?\*/.test(line));
    });
    assert.deepEqual(raw, []);
  });

  it("takes no cluster over from an installation that may be this one, seen from another machine", async () => {
    const remedyWith = async (deps: object) => (await operatorNamespace.find(reached(deps)))[0];
    const first = await remedyWith({});
    assert.deepEqual([first?.severity, first?.remedy?.kind], ["warning", "advice"]);
    assert.equal(mendText(first === undefined ? [] : [first], "commands", { cluster: "one" }), "");
    const other = await remedyWith({ installation: "ours", context: "admin@one" });
    assert.deepEqual([other?.severity, other?.remedy?.kind], ["error", "commands"]);
    assert.match(
      other?.remedy?.text ?? "",
      /^kubectl --context admin@one delete configmap keyferry-installation -n vso$/m,
    );
  });
});
