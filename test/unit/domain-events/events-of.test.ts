import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { completed, eventOfClosed, eventOfOpened, eventsOfSettle } from "../../../lib/domain-events/events-of.ts";
import { EVENT_KINDS, EVENT_SCHEMAS, type EventKind, MOST_TARGETS } from "../../../lib/domain-events/schemas.ts";
import { cleanupKey, referenceKey, type SyncKey } from "../../../lib/keys.ts";
import type { Did } from "../../../lib/ports/domain-events.ts";
import { EMPTY_STATE, type RowError, type RowState } from "../../../lib/ports/rows.ts";
import { aKey, anIssue } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const SYNCED: RowState = { ...EMPTY_STATE, digest: "k1:one", appliedHash: "h1" };
const error = (code: RowError["code"], since = NOW): RowError => ({ code, message: "kv/shop/db says so", since });

interface Settled {
  readonly before?: RowState;
  readonly after?: RowState;
  readonly did?: Did;
  readonly key?: SyncKey;
}

function eventsOf({ before = SYNCED, after = SYNCED, did = {}, key = aKey() }: Settled) {
  return eventsOfSettle({ key, fence: 7, state: before }, { state: after, did, now: NOW });
}

const kindsOf = (settled: Settled) =>
  eventsOf(settled).map(({ kind, detail }) => `${kind} ${detail.reason ?? ""}`.trim());
const wrote: Did = { secret: { name: "db", isWritten: true } };
const unwritten: Did = { secret: { name: "db", isWritten: false } };

describe("the domain events of a settle", () => {
  for (const [what, settled, expected] of [
    ["nothing", {}, []],
    ["in step, and nothing was to do", { did: unwritten }, []],
    ["a first write", { before: EMPTY_STATE, did: wrote }, ["SecretSynced first"]],
    ["in step from the start", { before: EMPTY_STATE, did: unwritten }, ["SecretSynced adopted"]],
    ["other data", { after: { ...SYNCED, digest: "k1:two" }, did: wrote }, ["SecretSynced data"]],
    [
      "other data, written before a crash",
      { after: { ...SYNCED, digest: "k1:two" }, did: unwritten },
      ["SecretSynced data"],
    ],
    ["another key of digests", { after: { ...SYNCED, digest: "k2:one" }, did: unwritten }, []],
    ["another key, and other data", { after: { ...SYNCED, digest: "k2:two" }, did: wrote }, ["SecretSynced data"]],
    ["another declaration", { after: { ...SYNCED, appliedHash: "h2" }, did: wrote }, ["SecretSynced declaration"]],
    ["another declaration with the same Secret", { after: { ...SYNCED, appliedHash: "h2" }, did: unwritten }, []],
    ["a write for which there is no reason here", { did: wrote }, ["DriftRepaired"]],
    ["a failure", { after: { ...SYNCED, error: error("VAULT_DENIED") } }, ["SyncFailed"]],
    ["the end of the declaration", { after: { ...SYNCED, error: error("DECLARATION_GONE") } }, []],
    [
      "the same failure again",
      { before: { ...SYNCED, error: error("VAULT_DENIED", 1) }, after: { ...SYNCED, error: error("VAULT_DENIED", 1) } },
      [],
    ],
    [
      "another failure",
      { before: { ...SYNCED, error: error("VAULT_DENIED") }, after: { ...SYNCED, error: error("KUBE_DENIED") } },
      ["SyncFailed"],
    ],
    ["the end of a failure", { before: { ...SYNCED, error: error("VAULT_DENIED") } }, ["SyncRecovered"]],
    ["a failed clean-up", { key: cleanupKey(aKey(), "u"), after: { ...SYNCED, error: error("KUBE_DENIED") } }, []],
    ["restarts", { did: { restarted: [{ kind: "Deployment", name: "app" }] } }, ["RolloutTriggered"]],
    [
      "a new credential",
      { after: { ...SYNCED, issues: [anIssue()] }, did: { ...unwritten, issued: true } },
      ["CredentialIssued"],
    ],
    ["a certificate without a lease", { did: { ...unwritten, issued: true } }, ["CredentialIssued"]],
    ["a credential taken over", { after: { ...SYNCED, issues: [anIssue()] }, did: unwritten }, []],
    [
      "a credential that was written before a crash",
      { before: { ...SYNCED, issues: [anIssue({ state: "got" })] }, after: { ...SYNCED, issues: [anIssue()] } },
      ["CredentialIssued"],
    ],
    [
      "a revoked credential",
      { before: { ...SYNCED, issues: [anIssue({ state: "ending", goneBy: NOW + 1 })] } },
      ["CredentialRevoked"],
    ],
    ["an ended credential", { before: { ...SYNCED, issues: [anIssue({ state: "ending", goneBy: NOW })] } }, []],
    ["a credential that is handed over", { before: { ...SYNCED, issues: [anIssue()] }, did: { handedOver: true } }, []],
    [
      "a credential at risk",
      { before: { ...SYNCED, issues: [anIssue()] }, after: { ...SYNCED, issues: [anIssue({ atRisk: NOW })] } },
      ["LeaseAtRisk"],
    ],
    [
      "a credential that is still at risk",
      {
        before: { ...SYNCED, issues: [anIssue({ atRisk: NOW })] },
        after: { ...SYNCED, issues: [anIssue({ atRisk: NOW + 1 })] },
      },
      [],
    ],
  ] as const satisfies readonly (readonly [string, Settled, readonly string[]])[]) {
    it(`${what}: ${expected.join(", ") || "none"}`, () => assert.deepEqual(kindsOf(settled), expected));
  }

  it("a request that was never answered is no revoked credential", () => {
    const { vaultLease: _none, ...asked } = anIssue({ state: "ending" });
    assert.deepEqual(kindsOf({ before: { ...SYNCED, issues: [asked] } }), []);
  });

  it("an answer that was not written is no issued credential, whatever else the row has", () => {
    const live = anIssue({ serial: "live" });
    const before = { ...SYNCED, issues: [live, anIssue({ serial: "got", state: "got" })] };
    assert.deepEqual(kindsOf({ before, after: { ...SYNCED, issues: [live] }, did: { handedOver: true } }), []);
    const issues = [anIssue({ serial: "former", state: "ending" }), anIssue({ serial: "got" })];
    assert.deepEqual(kindsOf({ before, after: { ...SYNCED, issues }, did: { handedOver: true } }), [
      "CredentialIssued",
    ]);
  });

  it("a clean-up that failed and succeeds is no sync that recovered", () => {
    const before = { ...SYNCED, error: error("KUBE_DENIED") };
    assert.deepEqual(kindsOf({ key: cleanupKey(aKey(), "u"), before }), []);
  });

  it("a certificate without a lease is revoked like a credential", () => {
    const { vaultLease: _none, ...issue } = anIssue({ certificate: { serial: "7a", mount: "pki" } });
    assert.deepEqual(kindsOf({ before: { ...SYNCED, issues: [issue] } }), ["CredentialRevoked"]);
    assert.deepEqual(kindsOf({ before: { ...SYNCED, issues: [{ ...issue, endBy: "none" }] } }), [], "it was let go");
  });

  it("what they tell of Secrets and credentials", () => {
    const details = (settled: Settled) => eventsOf(settled).map(({ detail }) => detail);
    assert.deepEqual(details({ did: wrote }), [{ secret: "db" }]);
    assert.deepEqual(details({ before: EMPTY_STATE, did: wrote }), [{ secret: "db", reason: "first" }]);
    const issues = [anIssue({ serial: "old", state: "ending" }), anIssue({ serial: "new" })];
    const [issued] = details({ after: { ...SYNCED, issues }, did: { issued: true } });
    assert.deepEqual(issued, { credential: "new", leaseSeconds: 600, renewable: true });
    assert.deepEqual(details({ did: { issued: true } }), [{}]);
    const risk = {
      ...SYNCED,
      issues: [anIssue({ serial: "old", state: "ending", atRisk: 1 }), anIssue({ atRisk: NOW })],
    };
    assert.deepEqual(details({ after: risk }), [{ credential: "0001", endsAt: "2030-01-01T00:00:00.000Z" }]);
  });

  it("a reference's status has none", () => {
    const key = referenceKey({
      cluster: "east",
      kind: "VaultAuth",
      namespace: "shop",
      name: "a",
    }) as unknown as SyncKey;
    assert.deepEqual(kindsOf({ key, after: { ...SYNCED, error: error("VAULT_DENIED") } }), []);
  });

  it("ids are those of key, fence and kind, and differ within a settle", () => {
    const issues = [anIssue({ serial: "a", state: "ending" }), anIssue({ serial: "b", state: "ending" })];
    const ids = eventsOf({ before: { ...SYNCED, issues } }).map(({ id }) => id);
    assert.deepEqual(
      ids,
      ["a", "b"].map((serial) => `${aKey()}@7/CredentialRevoked/${serial}`),
    );
    assert.deepEqual(eventsOf({ did: wrote })[0]?.id, `${aKey()}@7/DriftRepaired`);
  });

  it("many restarts are counted, and some are named", () => {
    const restarted = Array.from({ length: 50 }, (_, n) => ({ kind: "Deployment", name: `app-${n}` }));
    const { restarts, targets } = eventsOf({ did: { restarted } })[0]?.detail ?? {};
    assert.deepEqual([restarts, (targets as unknown[]).length], [50, MOST_TARGETS]);
  });

  it("a message, which may quote what a tenant wrote, is in no event", () => {
    const told = eventsOf({ after: { ...SYNCED, error: error("VAULT_DENIED") } });
    assert.doesNotMatch(JSON.stringify(told), /kv\/shop/);
  });
});

describe("the domain events of a circuit", () => {
  const circuit = { id: "cluster:east", code: "KUBE_UNREACHABLE", since: NOW } as const;

  it("a cluster's are told, with its opening time in the id", () => {
    const lost = eventOfOpened(circuit);
    const back = eventOfClosed(circuit, NOW + 90_000);
    assert.deepEqual(
      [lost?.id, back?.id],
      [`cluster:east@${NOW}/ClusterUnreachable`, `cluster:east@${NOW}/ClusterReachable`],
    );
    assert.equal(back?.detail.seconds, 90);
  });

  it("a clock that was set back makes no time negative", () => {
    const seconds = [-5, 0, 5].map((s) => eventOfClosed(circuit, NOW + s * 1_000)?.detail.seconds);
    assert.deepEqual(seconds, [0, 0, 5]);
  });

  it("those of Vaults and of other controllers are not", () => {
    for (const id of ["vault:https://vault.test", "vso:east"]) {
      assert.deepEqual(
        [eventOfOpened({ ...circuit, id }), eventOfClosed({ ...circuit, id }, NOW)],
        [undefined, undefined],
      );
    }
  });
});

describe("the schemas of domain events", () => {
  const settled: readonly Settled[] = [
    { did: wrote },
    { before: EMPTY_STATE, did: wrote },
    { after: { ...SYNCED, error: error("VAULT_DENIED") } },
    { before: { ...SYNCED, error: error("VAULT_DENIED") } },
    { did: { restarted: [{ kind: "Deployment", name: "app" }] } },
    { after: { ...SYNCED, issues: [anIssue()] }, did: { issued: true } },
    { before: { ...SYNCED, issues: [anIssue()] } },
    { after: { ...SYNCED, issues: [anIssue({ atRisk: NOW })] } },
  ];

  it("fit what is sent, and each has an example here", () => {
    const circuit = { id: "cluster:east", code: "KUBE_UNREACHABLE", since: NOW } as const;
    const sent = [
      ...settled.flatMap(eventsOf).map((event) => completed(aKey(), event)),
      ...[eventOfOpened(circuit), eventOfClosed(circuit, NOW + 1)].map((event) =>
        completed(undefined, event ?? assert.fail()),
      ),
    ];
    for (const { kind, detail } of sent) EVENT_SCHEMAS[kind as EventKind].parse(detail);
    assert.deepEqual([...new Set(sent.map(({ kind }) => kind))].sort(), [...EVENT_KINDS].sort());
  });
});
