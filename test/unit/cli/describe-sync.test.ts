import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describeSync, type SyncDescription } from "../../../cli/describe-sync.ts";
import { descriptionText } from "../../../cli/description-text.ts";
import { remedyOf } from "../../../cli/remedies.ts";
import { DISPOSITIONS, type ErrorCode } from "../../../lib/errors.ts";
import { cleanupKey, referenceKey } from "../../../lib/keys.ts";
import { REFRESH_ANNOTATION } from "../../../lib/origins/refresh-annotation.ts";
import type { Issue } from "../../../lib/ports/issues.ts";
import type { Reference, Row, RowState } from "../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { Circuit } from "../../../lib/ports/store.ts";
import { aDeclared, aKey, anIssue, aReferenceKey, aRow } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const SINCE = NOW - 300_000;
const cluster = { name: "east", fence: 1, dueAt: NOW, state: { cursors: {}, attempts: 0 } };

function told(
  row: Row,
  more: { references?: readonly Reference[]; circuits?: readonly Circuit[] } = {},
): SyncDescription {
  const references = new Map((more.references ?? []).map((reference) => [reference.key, reference]));
  return describeSync({ row, references, circuits: more.circuits ?? [], cluster, now: NOW });
}

const state = (overrides: Partial<RowState>): RowState => ({ ...EMPTY_STATE, ...overrides });

describe("the description of a sync", () => {
  it("tells what is declared, and nothing that a template could hold", () => {
    const spec = {
      ...{ type: "kv-v2", mount: "kv", path: "db", refreshAfter: "60s" },
      destination: { name: "db", create: true, transformation: { templates: { t: { text: "a text" } } } },
      rolloutRestartTargets: [{ kind: "Deployment", name: "app" }],
    };
    const declared = aDeclared({ spec, annotations: { [REFRESH_ANNOTATION]: "tuesday", other: "not told" } });
    const description = told(aRow({ declared }));
    assert.deepEqual(description.declared.spec, {
      ...{ type: "kv-v2", mount: "kv", path: "db", refreshAfter: "60s" },
      destination: { name: "db", create: true, transformation: true },
      restarts: ["Deployment/app"],
    });
    const text = descriptionText(description, NOW);
    assert.match(text, /refresh requested by annotation: tuesday/);
    assert.match(text, /State: +pending/);
    assert.match(text, /not applied yet/);
    assert.doesNotMatch(text, /a text|not told/);
  });

  it("tells which references were found", () => {
    const [auth, connection] = [aReferenceKey(), aReferenceKey("other")];
    const secret = referenceKey({ cluster: "east", kind: "Secret", namespace: "shop", name: "ca" });
    const found = { key: auth, uid: "u", generation: 3, hash: "h", labels: {}, annotations: {}, spec: {} };
    const description = told(aRow({ state: state({ refs: [auth, connection, secret] }) }), { references: [found] });
    assert.deepEqual(
      description.references.map((reference) => [
        reference.kind,
        reference.name,
        reference.state,
        reference.generation,
      ]),
      [
        ["VaultAuth", "default", "found", 3],
        ["VaultAuth", "other", "missing", undefined],
        ["Secret", "ca", "not followed", undefined],
      ],
    );
  });

  it("tells what was seen by versions and a short digest", () => {
    const declared = aDeclared();
    const description = told(
      aRow({
        declared,
        wheel: { period: 50, phase: 1 },
        state: state({
          ...{ waitsFor: "vault:https://v:8200", digest: "abcdef:0123456789abcdef", appliedHash: declared.hash },
          ...{
            own: { version: { number: 4, createdTime: "2029-12-31T00:00:00Z" } },
            syncedAt: SINCE,
            settledAt: SINCE,
          },
          owned: [{ name: "db", uid: "u-1", resourceVersion: "77", managed: "m", type: "Opaque" }],
        }),
      }),
    );
    assert.equal(description.state, "synced");
    assert.equal(description.seen.digest, "01234567");
    const text = descriptionText(description, NOW);
    for (const words of [/version 4 of 2029/, /Secret db, uid u-1, resourceVersion 77/, /5m ago/, /every 50s/]) {
      assert.match(text, words);
    }
  });

  it("tells what went wrong, since when, and what to do", () => {
    const error = { code: "VAULT_DENIED", message: "GET kv/data/db: denied", since: SINCE } as const;
    const description = told(aRow({ dueAt: NOW + 20_000, state: state({ error, attempts: 3 }) }));
    assert.equal(description.error?.next, "recheck");
    const text = descriptionText(description, NOW);
    assert.match(text, /VAULT_DENIED: GET kv\/data\/db: denied\n +since 5m, 3 tries in a row/);
    assert.match(text, /What to do: +The policies of the login's role/);
    assert.match(text, /Next: +in 20s: another try/);
  });

  it("tells of restarts that are owed", () => {
    const rollout = { digest: "k:d", since: SINCE, at: NOW + 7_000, attempts: 2 };
    const story = told(aRow({ dueAt: NOW + 7_000, state: state({ rollout, syncedAt: SINCE }) }));
    assert.match(descriptionText(story, NOW), /Rollout: +restarts have been owed for 5m, 2 failed .*; next try in 7s/);
  });

  it("tells of parked ones that nothing comes by itself", () => {
    const error = { code: "SPEC_INVALID", message: "spec.path: required", since: SINCE } as const;
    const { dueAt: _due, ...row } = aRow({ state: state({ error, attempts: 1 }) });
    const story = told(row);
    assert.equal(story.state, "parked");
    assert.match(descriptionText(story, NOW), /Next: +only after a changed declaration/);
  });

  it("tells of an outage that one probe stands for all", () => {
    const circuit: Circuit = {
      ...{ id: "vault:https://v", code: "VAULT_SEALED", message: "sealed", since: SINCE },
      ...{ attempts: 2, fence: 1, probeAt: NOW + 5_000 },
    };
    const description = told(aRow({ state: state({ waitsFor: circuit.id }) }), { circuits: [circuit] });
    assert.equal(description.state, "waiting");
    assert.equal(description.error?.code, "VAULT_SEALED");
    assert.match(descriptionText(description, NOW), /in 5s: the next probe of vault:https:\/\/v/);
  });

  it("has a remedy for each code, out of the page that people read", () => {
    for (const code of Object.keys(DISPOSITIONS) as ErrorCode[]) {
      assert.ok((remedyOf(code).meaning ?? "").length > 10, code);
    }
  });
});

describe("what a sync has in Vault", () => {
  const MINUTE = 60_000;
  const lease = { id: "database/creds/app/x", seconds: 600, renewable: true, issuedAt: NOW - 10 * MINUTE };
  const toldOf = (issue: Partial<Issue>) => {
    const issues = [anIssue({ vaultLease: lease, ...issue })];
    const { dueAt: _none, ...row } = aRow({ renew: { period: 22, phase: 1 }, state: state({ issues }) });
    const description = told(row);
    return { ...description.issues?.[0], text: descriptionText(description, NOW) };
  };

  it("is told with its lease, when it was issued, and how often it is renewed", () => {
    const { text, ...view } = toldOf({ renewWithin: 27 });
    assert.deepEqual(view, {
      ...{ state: "live", lease: lease.id, because: "in use" },
      ...{ issuedAt: new Date(lease.issuedAt).toISOString(), renewedEvery: 22 },
    });
    assert.match(text, /In Vault: +live database\/creds\/app\/x: issued 10m ago, renewed every 22s; in use/);
    assert.match(text, /nothing but renewals, every 22s, is planned/);
    assert.doesNotMatch(text, /c2VhbGVk/);
  });

  it("is told with its end, and why", () => {
    const ending = { state: "ending", endAt: NOW + 30 * MINUTE } as const;
    const replaced = { ...ending, replacedAt: NOW - 5 * MINUTE };
    for (const [issue, words] of [
      [replaced, /replaced 5m ago, ended in 30m; replaced$/m],
      [{ ...replaced, inUseUntil: NOW + MINUTE }, /when the workloads run with its successor/],
      [{ ...ending, endBy: "none" }, /not needed any more; its token may not revoke it, so it ends by itself/],
      [{ ...ending, tries: 3 }, /it could not be ended yet/],
      [{ ...ending, vaultLease: undefined }, /\(no lease known\).*no answer is recorded/],
      [{ state: "asking", vaultLease: undefined }, /asking .*its answer is not recorded yet/],
      [{ state: "got" }, /got .*the Secret is not written yet/],
      [{ lost: "truncated" }, /its maximum is near: keyferry asks for another one/],
      [{ atRisk: NOW + MINUTE }, /does not answer its renewals: valid until 2030-01-01T00:01:00.000Z/],
      [{ vaultLease: undefined, certificate: { serial: "0a:0b", mount: "pki" } }, /live 0a:0b: /],
    ] satisfies readonly (readonly [object, RegExp])[]) {
      assert.match(toldOf(issue as Partial<Issue>).text, words);
    }
  });

  it("of a row that left the fleet is retained until its time, whatever its cluster does", () => {
    const key = cleanupKey(aKey(), "u-1");
    const gone = (retainUntil: number) =>
      told(aRow({ key, dueAt: retainUntil, state: state({ retainUntil, issues: [anIssue()] }) }));
    const retained = gone(NOW + 90 * MINUTE);
    assert.equal(retained.state, "retained");
    assert.match(descriptionText(retained, NOW), /Next: +in 90m: it left the fleet/);
    assert.equal(gone(NOW - 1).state, "cleaning-up");
  });
});
