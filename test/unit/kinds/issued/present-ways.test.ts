import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../../lib/errors.ts";
import { presentWays } from "../../../../lib/kinds/issued/present-ways.ts";
import type { Issue } from "../../../../lib/ports/issues.ts";
import type { VaultIdentity, VaultTarget } from "../../../../lib/ports/vault.ts";
import type { IssueTarget } from "../../../../lib/ports/vault-issues.ts";
import type { Json } from "../../../../lib/util/json.ts";
import { anIssue, START } from "../../issues/an-issue.ts";
import { IDENTITY, WAY } from "../../issues/an-issuing-vault.ts";
import { aResolved, aRun } from "./a-credential.ts";
import { live, WAS } from "./obtained.ts";

interface Story {
  readonly issue?: Issue;
  readonly others?: readonly Issue[];
  readonly way?: IssueTarget;
  readonly target?: Partial<VaultTarget>;
  readonly identity?: Partial<VaultIdentity>;
  readonly request?: string;
}

/** The way that the issue goes after a run whose declaration resolves to this, and how often one was stored. */
async function wayAfter({
  issue = live(),
  others = [],
  way = WAY,
  target,
  identity,
  request = WAS.request ?? assert.fail(),
}: Story) {
  const present = { ...IDENTITY, ...identity, target: { ...IDENTITY.target, ...target } };
  const resolved = { asks: { ...aResolved().asks, identity: present } };
  const { run, vault, claim } = aRun({ resolved, own: { ...WAS, request }, state: { issues: [issue, ...others] } });
  vault.targets.set("target", way as unknown as Json);
  await presentWays(run);
  const [now] = claim.row.state.issues ?? [];
  return { way: vault.targets.get(now?.target ?? ""), isStored: vault.targets.has("put"), present };
}

const OF_TLS: IssueTarget = { ...WAY, target: { ...WAY.target, connection: "shop/tls" } };
const ending = anIssue({ state: "ending" });

describe("the way to what is in use", () => {
  for (const [what, target] of [
    ["a CA", { caPem: "new" }],
    ["a server name", { tlsServerName: "vault.example" }],
    ["headers", { headers: { "x-gateway": "new" } }],
    ["no check of the certificate", { skipTlsVerify: true }],
  ] as const) {
    it(`has ${what} of the present VaultConnection`, async () => {
      const { way } = await wayAfter({ target });
      assert.deepEqual(way, { ...WAY, target: { ...WAY.target, ...target } });
    });
  }

  it("is not stored again while nothing changed, whatever the VaultConnection is called", async () => {
    for (const target of [{}, { connection: "shop/tls" }, { place: "east/other" }])
      assert.equal((await wayAfter({ target })).isStored, false);
  });

  it("stays where the declaration names another Vault or another namespace of it", async () => {
    const target = { caPem: "new" };
    assert.equal((await wayAfter({ target: { ...target, address: "https://other.example" } })).isStored, false);
    assert.equal((await wayAfter({ target, identity: { namespace: "other" } })).isStored, false);
  });

  it("keeps the namespace of its lease", async () => {
    const apart: IssueTarget = { ...WAY, namespace: "team/db" };
    const { way } = await wayAfter({ way: apart, target: { caPem: "new" } });
    assert.deepEqual(way, { ...apart, target: { ...WAY.target, caPem: "new" } });
  });

  it("stays while the present CA can't be read", async () => {
    const { run, vault } = aRun({ own: WAS, state: { issues: [live()] } });
    const away = async () => {
      throw new SyncError("REFERENCE_INVALID", "no CA");
    };
    await presentWays({ ...run, reached: away });
    assert.equal(vault.targets.has("put"), false);
  });

  it("is noted on the issue as the claim finds it", async () => {
    const target = { ...IDENTITY.target, caPem: "new" };
    const resolved = { asks: { ...aResolved().asks, identity: { ...IDENTITY, target } } };
    const { run, claim } = aRun({ resolved, own: WAS, state: { issues: [live()] } });
    const takeToWrite = () => {
      claim.note({ issues: [live({ atRisk: START })] });
      return claim.takeToWrite();
    };
    await presentWays({ ...run, claim: Object.create(claim, { takeToWrite: { value: takeToWrite } }) });
    assert.deepEqual(claim.row.state.issues, [live({ atRisk: START, target: "put" })]);
  });

  it("costs nothing where nothing was issued", async () => {
    const { run } = aRun({ own: WAS });
    await presentWays({ ...run, reached: () => assert.fail("read for nothing") });
  });
});

describe("the token of a former login", () => {
  it("goes where its own VaultConnection says", async () => {
    const target = { connection: "shop/tls", caPem: "new" };
    for (const story of [{ issue: ending }, { request: "another" }]) {
      const { way } = await wayAfter({ ...story, way: OF_TLS, target });
      assert.deepEqual(way, { ...WAY, target: { ...WAY.target, ...target } });
    }
  });

  it("is that of what is in use, when a process died before it wrote what the present one got", async () => {
    const { request = assert.fail() } = WAS;
    const got = anIssue({ serial: "got", state: "got" });
    const target = { connection: "shop/other", skipTlsVerify: true };
    const story = { way: OF_TLS, target, request };
    assert.equal((await wayAfter(story)).isStored, true);
    assert.equal((await wayAfter({ ...story, others: [got] })).isStored, false);
  });

  it("goes nowhere that another VaultConnection says", async () => {
    const target = { connection: "shop/other", skipTlsVerify: true };
    for (const story of [{ issue: ending }, { request: "another" }])
      assert.equal((await wayAfter({ ...story, way: OF_TLS, target })).isStored, false);
  });
});

describe("the way of what a login ends", () => {
  const way: IssueTarget = { ...WAY, identity: IDENTITY };

  it("is that of the login as it is now, while it is the same", async () => {
    const { way: next, present } = await wayAfter({ way, issue: ending, target: { caPem: "new" } });
    assert.deepEqual(next, { ...WAY, target: { ...WAY.target, caPem: "new" }, identity: present });
  });

  it("stays that of a former login", async () => {
    const { isStored } = await wayAfter({ way, target: { caPem: "new" }, identity: { mount: "other" } });
    assert.equal(isStored, false);
  });
});
