import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OperatorSeen } from "../../../lib/ports/store.ts";
import {
  classifyOperator,
  mustBeOurs,
  observeOperator,
  operatorWarning,
} from "../../../lib/references/operator-namespace.ts";
import { aCluster } from "../../builders.ts";

const A = "aaaaaaaa-0000-4000-8000-000000000001";
const B = "bbbbbbbb-0000-4000-8000-000000000002";

describe("which namespace is the operator's", () => {
  const settings = aCluster();
  const vouched = aCluster({ operatorNamespaceUid: B });
  /** What watch passes say one after the other: a uid, nothing where there is none, empty where it may not be read. */
  const seen = (...uids: readonly (string | undefined)[]) =>
    uids.reduce<OperatorSeen | undefined>((before, uid) => classifyOperator(before, settings, uid), undefined);

  it("the one that is there at the first watch pass, while it is that one", () => {
    assert.deepEqual(seen(A), { name: "vso", first: A });
    assert.deepEqual(seen(A, A), { name: "vso", first: A });
    assert.equal(seen(A, undefined)?.without, "absent");
    assert.equal(seen(A, undefined, A)?.without, undefined, "an etcd that was restored");
  });

  it("not one that came later, or in its place: anybody may have made it", () => {
    assert.deepEqual(seen(undefined), { name: "vso", first: "", without: "absent" });
    assert.equal(seen(undefined, A)?.without, "later");
    assert.equal(seen(undefined, A, A, A)?.without, "later", "it does not become older by being looked at");
    assert.equal(seen(A, undefined, B)?.without, "later");
    assert.equal(seen(A, B)?.without, "later");
  });

  it("where its uid may not be read, one that was there from the beginning; the right to ask makes it known", () => {
    assert.deepEqual(seen(""), { name: "vso", first: "?" });
    assert.equal(seen("", "")?.without, undefined);
    assert.equal(seen(undefined, "")?.without, "later");
    assert.equal(seen("", undefined)?.without, "absent");
    assert.deepEqual(seen("", A), { name: "vso", first: A });
    assert.equal(seen("", A, B)?.without, "later");
    assert.equal(seen(A, "")?.without, undefined, "the right was taken away again");
  });

  it("fleet.yaml vouches for one by its uid, and for no other", () => {
    const later = seen(undefined, B);
    assert.deepEqual(classifyOperator(later, vouched, B), { name: "vso", first: B });
    assert.equal(classifyOperator(later, vouched, A)?.without, "other");
    assert.equal(classifyOperator(undefined, vouched, A)?.without, "other");
    assert.equal(classifyOperator(undefined, vouched, "")?.without, "other");
    assert.equal(classifyOperator(classifyOperator(later, vouched, B), settings, B).without, undefined);
  });

  it("another name in fleet.yaml means the one that is there now", () => {
    assert.deepEqual(classifyOperator(seen(undefined, B), aCluster({ operatorNamespace: "ops" }), A), {
      name: "ops",
      first: A,
    });
  });

  it("a warning names namespace, cluster and remedy; one that counts has none", () => {
    const warning = (operator: OperatorSeen | undefined) => operator && operatorWarning("east", operator);
    assert.equal(warning(seen(A)), undefined);
    for (const operator of [seen(undefined), seen(undefined, A), classifyOperator(undefined, vouched, A)]) {
      assert.match(
        warning(operator) ?? "",
        /operator namespace vso .*cluster east.*no default VaultAuth.*operatorNamespaceUid/,
      );
    }
  });

  it("lease-table 25: another installation is told where its mark was found", () => {
    const deps = { installation: "ours", clusters: undefined as never };
    mustBeOurs(deps, settings, "ours");
    mustBeOurs(deps, settings, undefined);
    assert.throws(() => mustBeOurs(deps, settings, "theirs"), {
      message: /another keyferry installation \(theirs\).*ConfigMap vso\/keyferry-installation/,
      circuit: "cluster:east",
    });
  });
});

describe("a look at the operator's namespace", () => {
  const SETTINGS = aCluster();
  const MARKED: OperatorSeen = { name: "vso", first: A, mark: "m" };

  /** What is asked of the cluster, and what is seen. */
  async function look(
    cluster: {
      readonly mark?: { readonly uid: string; readonly id: string } | "absent" | "denied";
      readonly uid?: string;
    },
    before?: OperatorSeen,
    mark = true,
    settings = SETTINGS,
  ) {
    const asked: string[] = [];
    const clusters = {
      installation: async (name: string, namespace: string) => {
        asked.push(`read ${name}/${namespace}`);
        return cluster.mark ?? "absent";
      },
      namespaceUid: async () => {
        asked.push("uid");
        return cluster.uid;
      },
      markInstallation: async (_name: string, _namespace: string, id: string) => {
        asked.push(`mark ${id}`);
        return { uid: "made", id };
      },
    };
    const deps = { clusters, installation: "ours" } as unknown as Parameters<typeof observeOperator>[0];
    const sight = await observeOperator(deps, settings, before, { mark }, new AbortController().signal);
    return { asked, sight };
  }

  it("is one request while it has the same mark, which says whose it is", async () => {
    const { asked, sight } = await look({ mark: { uid: "m", id: "theirs" } }, MARKED);
    assert.deepEqual([asked, sight], [["read east/vso"], { seen: MARKED, installation: "theirs" }]);
  });

  const DOUBTED: readonly (readonly [what: string, before: OperatorSeen | undefined, settings: typeof SETTINGS])[] = [
    ["it was never looked at", undefined, SETTINGS],
    ["it has another mark", { ...MARKED, mark: "other" }, SETTINGS],
    ["it had no powers", { ...MARKED, without: "later" }, SETTINGS],
    ["fleet.yaml names another one", { ...MARKED, name: "ops" }, SETTINGS],
    ["fleet.yaml vouches for another uid", MARKED, aCluster({ operatorNamespaceUid: B })],
  ];
  for (const [what, before, settings] of DOUBTED) {
    it(`asks for its uid when ${what}`, async () => {
      const uid = settings.operatorNamespaceUid ?? A;
      const { asked, sight } = await look({ mark: { uid: "m", id: "ours" }, uid }, before, true, settings);
      assert.deepEqual(asked, ["read east/vso", "uid"]);
      assert.deepEqual(sight, { seen: { name: "vso", first: uid, mark: "m" }, installation: "ours" });
    });
  }

  it("marks what is nobody's, where that is asked for and it has its powers", async () => {
    const free = await look({ uid: A });
    assert.deepEqual(free.asked, ["read east/vso", "uid", "mark ours", "uid"]);
    assert.deepEqual(free.sight, { seen: { name: "vso", first: A, mark: "made" }, installation: "ours" });
    const looked = await look({ uid: A }, undefined, false);
    assert.deepEqual([looked.asked.length, looked.sight], [2, { seen: { name: "vso", first: A } }]);
    const denied = await look({ mark: "denied", uid: A });
    assert.deepEqual([denied.asked.length, denied.sight], [2, { seen: { name: "vso", first: A } }]);
    const powerless = await look({});
    assert.deepEqual([powerless.asked.length, powerless.sight.seen.without], [2, "absent"]);
    assert.equal("installation" in powerless.sight, false);
  });
});
