import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import type { Log } from "../../../lib/ports/telemetry.ts";
import type { VaultIdentity } from "../../../lib/ports/vault.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import { openSqliteStore, type SqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import type { ActiveToken } from "../../../lib/vault/active-token.ts";
import { type TokenCache, tokenCache } from "../../../lib/vault/token-cache.ts";
import { tokens } from "../../../lib/vault/tokens.ts";
import type { VaultClient, VaultQuestion } from "../../../lib/vault/vault-client.ts";
import { forever } from "../../broken-peer.ts";
import { aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const START = Date.UTC(2030, 0, 1);
const BY = aKey();

function anIdentity(id: string, version = "1"): VaultIdentity {
  return {
    id,
    target: { address: "https://vault.example", headers: {}, skipTlsVerify: false, timeoutMs: 1_000 },
    mount: "approle",
    headers: {},
    method: {
      kind: "appRole",
      roleId: id,
      credential: { kind: "secret", cluster: "east", namespace: "shop", name: "s", key: "id", version },
    },
  };
}
const ONE = anIdentity("one");
const OTHER = anIdentity("other");

/** A Vault that logs in whoever asks, and remembers what it was asked. The real one: vault-tokens.contract.ts. */
function aVault() {
  const grant = { lease_duration: 3_600, renewable: true, num_uses: 0, token_type: "service" };
  const asked: string[] = [];
  const ended = new Set<string>();
  const world = {
    grant,
    asked,
    ended,
    now: START,
    logins: 0,
    refusesLogins: false,
    refusesRenewals: false,
    /** Goes on with a request that nobody waits for. */
    isDeaf: false,
    /** Fails revocations. */
    isSick: false,
    /** Of `verb`s. */
    count: (verb: string) => asked.filter((one) => one.startsWith(verb)).length,
    /** What a login waits for. */
    gate: Promise.resolve(),
  };
  const answer = (status: number, body: unknown) => ({ status, text: JSON.stringify(body) });
  const ask = async (_target: unknown, { path, body, token }: VaultQuestion, signal: AbortSignal) => {
    const held = token?.reveal().toString("utf8") ?? "";
    const role = (body as { role_id?: string } | undefined)?.role_id ?? "";
    asked.push(`${path.split("/").at(-1)} ${role || held}`);
    await world.gate;
    if (!world.isDeaf) signal.throwIfAborted();
    return path.endsWith("/login") ? loggedIn(role) : toToken(path.split("/").at(-1), held);
  };
  const loggedIn = (role: string) => {
    if (world.refusesLogins) return answer(400, { errors: ["invalid role or secret ID"] });
    world.logins += 1;
    return answer(200, { auth: { ...grant, client_token: `${role}-${world.logins}` } });
  };
  const toToken = (verb: string | undefined, held: string) => {
    if (ended.has(held)) return answer(403, { errors: ["permission denied", "invalid token"] });
    if (verb === "renew-self") {
      const refused = { errors: ["permission denied"] };
      return world.refusesRenewals ? answer(403, refused) : answer(200, { auth: { ...grant, client_token: held } });
    }
    if (verb === "revoke-self" && world.isSick) return answer(500, { errors: ["internal error"] });
    if (verb === "revoke-self") ended.add(held);
    return answer(200, {});
  };
  const process = (cache?: TokenCache, log: Log = QUIET) =>
    tokens({
      client: { ask } as Partial<VaultClient> as VaultClient,
      credentials: {
        credential: async () => ({ value: SecretValue.of("s"), version: "1" }),
        secret: () => assert.fail(),
        annotations: () => assert.fail(),
      },
      clock: () => world.now,
      log,
      cache,
    });
  return { ...world, world, process };
}

/** What runs beside who asked has been done: nothing here waits for anything outside of the process. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const textOf = (token: ActiveToken | undefined) => token?.value.reveal().toString("utf8");

describe("tokens of Vault", () => {
  it("are shared by who has the same identity, and by nobody else", async () => {
    const { process, world } = aVault();
    const one = process();
    const asked = await Promise.all([ONE, ONE, OTHER, ONE, OTHER].map((identity) => one.token({ identity }, forever)));
    assert.deepEqual(asked.map(textOf), ["one-1", "one-1", "other-2", "one-1", "other-2"]);
    assert.equal(textOf(await one.token({ identity: OTHER }, forever)), "other-2");
    assert.equal(world.logins, 2);
  });

  it("are used until a tenth of their life is left, and no longer", async () => {
    const { process, world } = aVault();
    world.grant.renewable = false;
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = token.staleAt - 1;
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-1");
    world.now = token.staleAt;
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-2");
  });

  it("are prolonged once, beside who uses them, from two thirds of their life on", async () => {
    const { process, world } = aVault();
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = token.renewAt - 1;
    await one.token({ identity: ONE }, forever);
    assert.equal(world.count("renew-self"), 0);
    world.now = token.renewAt;
    const used = await Promise.all([1, 2, 3].map(() => one.token({ identity: ONE }, forever)));
    assert.deepEqual(used.map(textOf), ["one-1", "one-1", "one-1"]);
    await settled();
    assert.equal(world.count("renew-self"), 1);
    world.now = token.staleAt + 1;
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-1");
    assert.equal(world.logins, 1);
    world.now += HOUR_MS / 2;
    await one.token({ identity: ONE }, forever);
    assert.equal(world.count("renew-self"), 2, "and again, later");
  });

  it("are tried to prolong once when Vault refuses it, and used to their end", async () => {
    const { process, world } = aVault();
    world.refusesRenewals = true;
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = token.renewAt;
    for (let time = 0; time < 3; time++) {
      assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-1");
      await settled();
    }
    assert.equal(world.count("renew-self"), 1);
  });

  it("of few uses are used as often as that, and replaced by as many logins as it takes", async () => {
    const { process, world } = aVault();
    world.grant.num_uses = 2;
    const one = process();
    const asked = await Promise.all([1, 2, 3, 4, 5].map(() => one.token({ identity: ONE }, forever)));
    assert.equal(new Set(asked.map(textOf)).size, 3);
    assert.equal(world.logins, 3);
  });

  it("are not asked for again for 5 s after a refusal: with this credential, by who has not asked since", async () => {
    const { process, world } = aVault();
    world.refusesLogins = true;
    const one = process();
    const refused = (identity: VaultIdentity, since?: number) =>
      assert.rejects(one.token({ identity, since }, forever), { code: "VAULT_LOGIN_REFUSED" });
    await Promise.all([refused(ONE), refused(ONE)]);
    assert.equal(world.count("login"), 1);
    world.now = START + 5 * SECOND_MS - 1;
    await refused(ONE, START);
    assert.equal(world.count("login"), 1);
    await refused(OTHER);
    assert.equal(world.count("login"), 2, "another identity");
    await refused(anIdentity("one", "2"));
    assert.equal(world.count("login"), 3, "another credential");
    await refused(ONE, START + 1);
    assert.equal(world.count("login"), 4, "asked for since");
    world.now += 5 * SECOND_MS;
    world.refusesLogins = false;
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-1");
  });

  it("are asked for again by who joined a login that was refused, and has seen a change since it began", async () => {
    const { process, world } = aVault();
    const gate = Promise.withResolvers<void>();
    world.gate = gate.promise;
    let refusals = 1;
    Object.defineProperty(world, "refusesLogins", { get: () => refusals-- > 0 });
    const one = process();
    const first = assert.rejects(one.token({ identity: ONE }, forever), { code: "VAULT_LOGIN_REFUSED" });
    world.now = START + SECOND_MS;
    const second = one.token({ identity: ONE, since: world.now }, forever);
    await settled();
    gate.resolve();
    await first;
    assert.equal(textOf(await second), "one-1");
    assert.equal(world.count("login"), 2);
  });

  it("are got for those who still wait when another one gives up, and ended when nobody waits", async () => {
    const { process, world } = aVault();
    let open = () => {};
    world.gate = new Promise((resolve) => {
      open = resolve;
    });
    const one = process();
    const ender = new AbortController();
    const leaving = assert.rejects(one.token({ identity: ONE }, ender.signal), /gone/);
    const staying = one.token({ identity: ONE }, forever);
    ender.abort(new Error("gone"));
    await leaving;
    open();
    assert.equal(textOf(await staying), "one-1");
  });

  it("are ended when nobody waits for them any more, and held by nobody", async () => {
    const { process, world, ended } = aVault();
    const gate = Promise.withResolvers<void>();
    const one = process();
    // Vault answers all the same.
    const ender = new AbortController();
    world.gate = gate.promise.then(() => ender.abort(new Error("gone")));
    world.isDeaf = true;
    const leaving = assert.rejects(one.token({ identity: ONE }, ender.signal), /gone/);
    gate.resolve();
    await leaving;
    await settled();
    assert.deepEqual([...ended], ["one-1"]);
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-2");
  });

  it("are forgotten when they have ended, without a request", async () => {
    const { process, world } = aVault();
    const one = process();
    await one.token({ identity: ONE }, forever);
    world.now = START + 2 * HOUR_MS;
    await one.token({ identity: OTHER }, forever);
    await one.revokeAll(forever);
    assert.deepEqual(
      world.asked.filter((text) => text.startsWith("revoke-self")),
      ["revoke-self other-2"],
    );
  });

  it("are given back when nobody used them for an hour", async () => {
    const { process, world, ended } = aVault();
    world.grant.lease_duration = 10 * 3_600;
    const one = process();
    await one.token({ identity: ONE }, forever);
    world.now = START + HOUR_MS - 1;
    await one.token({ identity: OTHER }, forever);
    assert.deepEqual([...ended], []);
    world.now = START + HOUR_MS;
    await one.token({ identity: anIdentity("third") }, forever);
    assert.deepEqual([...ended], ["one-1"]);
  });

  it("all end when it stops", async () => {
    const { process, ended } = aVault();
    const one = process();
    for (const identity of [ONE, OTHER]) await one.token({ identity }, forever);
    await one.revokeAll(forever);
    assert.deepEqual([...ended].sort(), ["one-1", "other-2"]);
  });
});

describe("a token that Vault answers 403 to", () => {
  it("is replaced once it is 10 s old, and ended", async () => {
    const { process, world, ended } = aVault();
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = START + 10 * SECOND_MS;
    assert.equal(textOf(await one.replacement({ identity: ONE }, { token, isSecond: false }, forever)), "one-2");
    assert.deepEqual([...ended], ["one-1"]);
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-2");
    // Whoever still had the old one takes what there is.
    assert.equal(textOf(await one.replacement({ identity: ONE }, { token, isSecond: false }, forever)), "one-2");
    assert.equal(world.logins, 2);
  });

  it("costs one of its few uses more, for the look at whether it has ended", async () => {
    const { process, world } = aVault();
    world.grant.num_uses = 3;
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    assert.equal(await one.replacement({ identity: ONE }, { token, isSecond: false }, forever), undefined);
    assert.equal(world.count("lookup-self"), 1);
    const next = [await one.token({ identity: ONE }, forever), await one.token({ identity: ONE }, forever)];
    assert.deepEqual(next.map(textOf), ["one-1", "one-2"]);
  });

  it("is replaced however young it is for who asked since it was obtained", async () => {
    const { process, world } = aVault();
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = START + SECOND_MS;
    const since = world.now;
    assert.equal(textOf(await one.replacement({ identity: ONE, since }, { token, isSecond: false }, forever)), "one-2");
  });

  it("stays while it is young and lives: its policies refuse the read", async () => {
    const { process, world } = aVault();
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    world.now = START + 10 * SECOND_MS - 1;
    assert.equal(
      await one.replacement({ identity: ONE, since: START }, { token, isSecond: false }, forever),
      undefined,
    );
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-1");
    assert.equal(world.logins, 1);
  });

  it("is replaced at once when it has ended, once; after that the identity counts as blind for ten minutes", async () => {
    const { process, world, ended } = aVault();
    const one = process();
    const token = await one.token({ identity: ONE }, forever);
    ended.add("one-1");
    const second = await one.replacement({ identity: ONE }, { token, isSecond: false }, forever);
    assert.equal(textOf(second), "one-2");
    ended.add("one-2");
    assert.ok(second);
    assert.equal(await one.replacement({ identity: ONE }, { token: second, isSecond: true }, forever), undefined);
    assert.equal(await one.replacement({ identity: ONE }, { token: second, isSecond: false }, forever), undefined);
    assert.equal(world.count("lookup-self"), 2);
    assert.equal(world.logins, 2);
    world.now += 10 * MINUTE_MS;
    assert.equal(
      textOf(await one.replacement({ identity: ONE }, { token: second, isSecond: false }, forever)),
      "one-3",
    );
  });
});

describe("a token that an event made doubtful", () => {
  const login = { isOf: (address: string) => address === ONE.target.address, mount: "auth/approle" };

  it("is asked about itself before its next use, once, and used on while it lives", async () => {
    const { process, world } = aVault();
    const one = process();
    await one.token({ identity: ONE }, forever);
    one.doubt(login);
    const next = await Promise.all([one.token({ identity: ONE }, forever), one.token({ identity: ONE }, forever)]);
    assert.deepEqual(
      [...next.map(textOf), textOf(await one.token({ identity: ONE }, forever))],
      Array(3).fill("one-1"),
    );
    assert.equal(world.count("lookup-self"), 1);
  });

  it("is replaced when it has ended, before a request is spent on it", async () => {
    const { process, world, ended } = aVault();
    const one = process();
    await one.token({ identity: ONE }, forever);
    ended.add("one-1");
    one.doubt({ isOf: login.isOf });
    const next = await Promise.all([one.token({ identity: ONE }, forever), one.token({ identity: ONE }, forever)]);
    assert.deepEqual(next.map(textOf), ["one-2", "one-2"]);
    assert.equal(world.logins, 2);
  });

  it("is not asked about where its life is over anyway", async () => {
    const { process, world } = aVault();
    const one = process();
    const { staleAt } = await one.token({ identity: ONE }, forever);
    one.doubt({ isOf: login.isOf });
    world.now = staleAt;
    assert.equal(textOf(await one.token({ identity: ONE }, forever)), "one-2");
    assert.equal(world.count("lookup-self"), 0);
  });

  it("is one of that Vault and that login, and no other", async () => {
    const { process, world } = aVault();
    const one = process();
    await one.token({ identity: ONE }, forever);
    one.doubt({ isOf: () => false });
    for (const mount of ["auth/approl", "auth/approle/x", "team/auth/approle", "approle"])
      one.doubt({ ...login, mount });
    await one.token({ identity: ONE }, forever);
    assert.equal(world.count("lookup-self"), 0);
    const inNamespace = { ...anIdentity("team"), namespace: "/team/" };
    await one.token({ identity: inNamespace }, forever);
    one.doubt({ ...login, mount: "team/auth/approle" });
    await one.token({ identity: inNamespace }, forever);
    assert.equal(world.count("lookup-self"), 1);
  });

  it("is asked once in ten seconds, where rights change all the time", async () => {
    const { process, world } = aVault();
    const one = process();
    await one.token({ identity: ONE }, forever);
    for (let times = 0; times < 20; times++) {
      one.doubt(login);
      await one.token({ identity: ONE }, forever);
      world.now += SECOND_MS;
    }
    assert.equal(world.count("lookup-self"), 2);
  });

  it("costs one of its few uses", async () => {
    const { process, world } = aVault();
    world.grant.num_uses = 3;
    const one = process();
    await one.token({ identity: ONE }, forever);
    one.doubt(login);
    const next = [await one.token({ identity: ONE }, forever), await one.token({ identity: ONE }, forever)];
    assert.deepEqual(next.map(textOf), ["one-1", "one-2"]);
  });
});

describe("tokens of Vault that processes share", () => {
  const cacheOf = (store: SqliteStore, now: () => number): TokenCache => {
    let nonces = 0;
    return tokenCache(
      {
        store: store.tokens(),
        keys: async () => [Buffer.alloc(32, 7)],
        installation: "ours",
        randomBytes: (count) => Buffer.alloc(count, ++nonces),
      },
      { clock: now, log: QUIET },
    );
  };

  it("are used by the next process, by the same identity alone", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world } = aVault();
    const cache = cacheOf(store, () => world.now);
    await process(cache).token({ identity: ONE, by: BY }, forever);
    const next = process(cache);
    assert.equal(textOf(await next.token({ identity: ONE, by: BY }, forever)), "one-1");
    assert.equal(textOf(await next.token({ identity: OTHER, by: BY }, forever)), "other-2");
    assert.equal(textOf(await next.token({ identity: ONE }, forever)), "one-1");
    assert.equal(textOf(await process(cache).token({ identity: ONE }, forever)), "one-3", "for no sync: kept nowhere");
  });

  it("are those of who was first when two log in at once; the other gives its own back", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    const cache = cacheOf(store, () => world.now);
    const both = await Promise.all(
      [process(cache), process(cache)].map((one) => one.token({ identity: ONE, by: BY }, forever)),
    );
    const [first, second] = both.map(textOf);
    assert.equal(first, second);
    assert.equal(world.logins, 2);
    assert.deepEqual(
      [...ended],
      ["one-1", "one-2"].filter((token) => token !== first),
    );
  });

  it("are not given back when one process uses them no more, and end with a clean stop", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    world.grant.lease_duration = 10 * 3_600;
    const cache = cacheOf(store, () => world.now);
    const one = process(cache);
    await one.token({ identity: ONE, by: BY }, forever);
    world.now = START + HOUR_MS;
    await one.token({ identity: OTHER, by: BY }, forever);
    assert.deepEqual([...ended], []);
    await process(cache).revokeAll(forever);
    assert.deepEqual([...ended].sort(), ["one-1", "other-2"]);
    assert.deepEqual(await cache.all(), []);
  });

  it("are ended as far as Vault answers when it stops; what is left stays stored, and is told by number", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    const cache = cacheOf(store, () => world.now);
    const told: unknown[] = [];
    const log = { ...QUIET, info: (event: string, fields?: object) => void told.push([event, fields]) };
    const stops = async (...identities: readonly VaultIdentity[]) => {
      const one = process(cache, log);
      for (const identity of identities) await one.token({ identity, by: BY }, forever);
      await one.token({ identity: anIdentity("own") }, forever);
      await one.revokeAll(forever);
      return told.splice(0);
    };
    world.isSick = true;
    assert.deepEqual(await stops(ONE, OTHER), [["vault-tokens-revoked", { revoked: 0, failed: 3 }]]);
    assert.deepEqual([[...ended], (await cache.all()).length], [[], 2]);
    world.isSick = false;
    assert.deepEqual(await stops(ONE), [["vault-tokens-revoked", { revoked: 3, failed: 0 }]]);
    assert.deepEqual((await cache.all()).length, 0);
  });

  it("are named without the token, moved to another sync, and ended before they are forgotten", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    const cache = cacheOf(store, () => world.now);
    const one = process(cache);
    await one.token({ identity: ONE, by: BY }, forever);
    const [kept, ...more] = await one.kept("cluster:east");
    assert.ok(kept);
    assert.deepEqual([kept, more], [{ id: "one", scope: "cluster:east", by: BY, circuit: kept.circuit }, []]);
    assert.deepEqual(await one.kept("cluster:west"), []);
    const next = aKey("web");
    await one.keepFor(kept, next);
    const [moved] = await one.kept();
    assert.deepEqual(moved, { ...kept, by: next });
    await process(cache).end({ ...kept, by: next }, forever);
    assert.deepEqual([...ended], ["one-1"]);
    assert.deepEqual(await process(cache).kept(), []);
  });

  it("are taken from another process that prolonged them, and not prolonged twice", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world } = aVault();
    const cache = cacheOf(store, () => world.now);
    const [one, other] = [process(cache), process(cache)];
    const token = await one.token({ identity: ONE, by: BY }, forever);
    await other.token({ identity: ONE, by: BY }, forever);
    const prolonged = async (by: typeof one) => {
      await by.token({ identity: ONE, by: BY }, forever);
      for (let turn = 0; turn < 5; turn++) await settled();
      return (await by.token({ identity: ONE, by: BY }, forever)).endsAt;
    };
    world.now = token.renewAt;
    const endsAt = await prolonged(one);
    assert.ok(endsAt > token.endsAt);
    world.now += SECOND_MS;
    assert.equal(await prolonged(other), endsAt);
    assert.equal(world.count("renew-self"), 1);
    world.now += HOUR_MS;
    await one.token({ identity: ONE, by: BY }, forever);
    assert.equal(world.logins, 2);
  });

  it("are not lost when the store has none: the process names its own, moves them, and ends them", async () => {
    const { process, world, ended } = aVault();
    for (const cache of [undefined, cacheOf(openSqliteStore({ path: ":memory:" }), () => world.now)]) {
      ended.clear();
      const one = process(cache && { ...cache, keep: async () => undefined });
      const held = textOf(await one.token({ identity: ONE, by: BY }, forever));
      await one.token({ identity: OTHER }, forever);
      const [kept, ...more] = await one.kept("cluster:east");
      assert.ok(kept);
      assert.deepEqual(
        [kept, more],
        [{ id: "one", scope: "cluster:east", by: BY, circuit: "vault:https://vault.example" }, []],
        "one for no sync is nobody's",
      );
      assert.deepEqual([await one.kept("cluster:west"), await one.kept()], [[], [kept]]);
      await one.keepFor(kept, aKey("web"));
      assert.equal((await one.kept())[0]?.by, aKey("web"));
      await one.end(kept, forever);
      assert.deepEqual([...ended], [held]);
      assert.deepEqual(await one.kept(), []);
      await one.keepFor(kept, BY);
      await one.end(kept, forever);
      assert.deepEqual(await one.kept(), [], "once more is harmless");
    }
  });

  it("are named once, and ended once, by the process that holds and has stored one", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    const cache = cacheOf(store, () => world.now);
    const one = process(cache);
    await one.token({ identity: ONE, by: BY }, forever);
    const [kept, ...more] = await one.kept();
    assert.ok(kept);
    assert.deepEqual(more, []);
    await one.end(kept, forever);
    assert.deepEqual([...ended], ["one-1"]);
    assert.equal(world.count("revoke-self"), 1);
    assert.equal(textOf(await one.token({ identity: ONE, by: BY }, forever)), "one-2", "it is not used any more");
  });

  it("are ended both where the process holds another one than is stored", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { process, world, ended } = aVault();
    const cache = cacheOf(store, () => world.now);
    await process(cache).token({ identity: ONE, by: BY }, forever);
    const other = process({ ...cache, find: async () => undefined, keep: async () => undefined });
    await other.token({ identity: ONE, by: BY }, forever);
    const apart = process(cache);
    const mine = { ...cache };
    const holder = process(mine);
    mine.find = async () => undefined;
    mine.keep = async () => undefined;
    await holder.token({ identity: ONE, by: BY }, forever);
    mine.find = cache.find;
    const [kept] = await apart.kept();
    assert.deepEqual(await holder.kept(), [kept], "the same identity is named once");
    await holder.end(kept ?? assert.fail(), forever);
    assert.deepEqual([...ended].sort(), ["one-1", "one-3"]);
  });
});
