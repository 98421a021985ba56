import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { SyncError } from "../../../../lib/errors.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { cachedToken } from "../../../../lib/vso/take-over/client-cache.ts";
import { aCluster } from "../../../builders.ts";

const CACHE_KEY = "kubernetes-0123456789abcdef012345";
const NAME = `vso-cc-${CACHE_KEY}`;
const KEY = Buffer.alloc(16, 7);
const OF = { namespace: "shop", auth: { uid: "auth", generation: 3 } };
const LABELS = { cacheKey: CACHE_KEY, "auth/UID": "auth", "auth/generation": "3", "provider/namespace": "shop" };
const login = (token: unknown) => JSON.stringify({ auth: { client_token: token } });
const macOf = (secret: string, key = KEY, name = NAME) =>
  createHmac("sha256", key)
    .update(name + CACHE_KEY + secret)
    .digest();

interface Stored {
  readonly labels?: object;
  readonly secret?: string;
  readonly mac?: Buffer | "none";
  readonly key?: Buffer;
  readonly powerless?: boolean;
  /** Discovery has not looked at the cluster yet. */
  readonly isUnknown?: boolean;
  readonly isThere?: boolean;
  readonly fails?: SyncError;
}

/** What is found of the client whose token the operator stored like this. */
async function found(stored: Stored = {}, cacheKey: string | undefined = CACHE_KEY, from = OF) {
  const {
    labels = {},
    secret = login("hvs.vso"),
    key = KEY,
    powerless = false,
    isThere = true,
    isUnknown = false,
  } = stored;
  const { mac = macOf(secret), fails } = stored;
  const asked: string[] = [];
  const data = new Map([
    ["secret", SecretValue.of(secret)],
    ...(mac === "none" ? [] : ([["messageMAC", SecretValue.of(mac)]] as const)),
  ]);
  const operator = { name: "vso", first: "u", ...(powerless ? { without: "powers" } : {}) };
  const deps = {
    leases: { cluster: async () => (isUnknown ? undefined : { state: { cursors: {}, attempts: 0, operator } }) },
    secrets: {
      observe: async ({ cluster, namespace, name }: { cluster: string; namespace: string; name: string }) => {
        asked.push(`${cluster}/${namespace}/${name}`);
        if (fails) throw fails;
        return isThere ? { labels: { ...LABELS, ...labels }, data } : undefined;
      },
      findHmacKey: async () => (key.length > 0 ? { kind: "found", key } : { kind: "absent" }),
    },
  } as unknown as Parameters<typeof cachedToken>[0];
  const answer = await cachedToken(deps, aCluster(), cacheKey, from, new AbortController().signal);
  return { asked, says: "because" in answer ? answer.because : `token ${answer.token.reveal().toString()}` };
}

describe("the token that Vault Secrets Operator stored", () => {
  it("is that of the client that the status names, in the operator's namespace", async () => {
    assert.deepEqual(await found(), { asked: [`east/vso/${NAME}`], says: "token hvs.vso" });
  });

  it("is not looked for without a name, or where the namespace may not be the operator's", async () => {
    const nameless = await cachedTokenOfNobody();
    assert.match(nameless, /names no client/);
    const { asked, says } = await found({ powerless: true });
    assert.deepEqual([asked, says], [[], "namespace vso may not be the operator's"]);
    assert.equal((await found({ isUnknown: true })).says, "token hvs.vso", "before the first watch pass it may be");
  });

  it("is of no use when it is of another VaultAuth, version, namespace or client, or is encrypted", async () => {
    for (const label of Object.keys(LABELS))
      assert.match((await found({ labels: { [label]: "other" } })).says, /of another VaultAuth/, label);
    assert.match((await found({ labels: { encrypted: "true" } })).says, /is encrypted/);
    assert.match((await found({ labels: { encrypted: "false" } })).says, /^token/);
  });

  it("has the operator's MAC of its own name and content, where the operator has a key", async () => {
    const secret = login("hvs.vso");
    const other = [macOf(secret, Buffer.alloc(16, 8)), macOf(secret, KEY, "other"), macOf(login("x"))];
    const wrong = [...other, Buffer.alloc(4), "none"] as const;
    for (const mac of wrong) assert.match((await found({ mac })).says, /has not the operator's MAC/);
    assert.equal((await found({ mac: Buffer.alloc(4), key: Buffer.alloc(0) })).says, "token hvs.vso");
  });

  it("can't be read when it is no answer to a login", async () => {
    for (const secret of ["", "{", "[]", "{}", login(7), login(""), login("a b"), login("x".repeat(4_097))])
      assert.match((await found({ secret })).says, /can't be read/, secret.slice(0, 40));
    assert.match((await found({ secret: login("x".repeat(4_096)) })).says, /^token x+$/);
  });

  it("may be missing, or not be ours to read; any other failure is one", async () => {
    assert.equal((await found({ isThere: false })).says, `the operator stored no token (Secret vso/${NAME})`);
    const denied = await found({ fails: new SyncError("KUBE_DENIED", "no") });
    assert.equal(denied.says, `keyferry may not read Secret vso/${NAME}`);
    await assert.rejects(found({ fails: new SyncError("KUBE_UNREACHABLE", "no") }), { code: "KUBE_UNREACHABLE" });
  });
});

async function cachedTokenOfNobody(): Promise<string> {
  const deps = {} as Parameters<typeof cachedToken>[0];
  const answer = await cachedToken(deps, aCluster(), undefined, OF, new AbortController().signal);
  return "because" in answer ? answer.because : "a token";
}
