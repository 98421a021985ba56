import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import type { CredentialSource } from "../../../lib/ports/credentials.ts";
import type { AwsMethod, VaultIdentity } from "../../../lib/ports/vault.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import { login } from "../../../lib/vault/login.ts";
import type { VaultClient, VaultQuestion } from "../../../lib/vault/vault-client.ts";
import type { ReachOf } from "../../../lib/vault-reach.ts";
import { forever, httpPeer, targetAt } from "../../broken-peer.ts";
import { waitFor } from "../../harness/index.ts";

const NOW = Date.UTC(2030, 0, 1);
const NOBODY = "http://127.0.0.1:9";
const PLACE = { cluster: "east", namespace: "shop", name: "app" };
const SECRET = { kind: "secret", key: "", ...PLACE } as const;
const ACCOUNT = { kind: "serviceAccount", audiences: ["sts.amazonaws.com"], expirationSeconds: 600, ...PLACE } as const;
const ROLE = "arn:aws:iam::123456789012:role/app";

interface Given {
  readonly method?: Partial<AwsMethod>;
  readonly data?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly reachOf?: ReachOf;
  readonly signal?: AbortSignal;
  /** The cluster gives no token, so that nothing is sent anywhere. */
  readonly withoutToken?: boolean;
}

/** What is sent to Vault by a login with an AWS identity, and for which credentials a cluster was asked. */
async function logsIn({ method = {}, data = {}, annotations = {}, reachOf, signal = forever, withoutToken }: Given) {
  const bodies: Record<string, string>[] = [];
  const client = {
    ask: async (_target: unknown, { body }: VaultQuestion) => {
      bodies.push(body as Record<string, string>);
      return { status: 200, text: '{"auth":{"client_token":"t","lease_duration":60}}' };
    },
  } as Partial<VaultClient> as VaultClient;
  const asked: unknown[] = [];
  const credentials: CredentialSource = {
    credential: async (ref) => {
      asked.push(ref);
      if (withoutToken) throw new SyncError("REFERENCE_MISSING", "no token");
      return { value: SecretValue.of("jwt"), expiresAt: Number.POSITIVE_INFINITY };
    },
    secret: async () => new Map(Object.entries(data).map(([key, text]) => [key, SecretValue.of(text)])),
    annotations: async () => annotations,
  };
  const identity: VaultIdentity = {
    ...{ id: "one", target: { ...targetAt("https://vault.example"), cluster: "east" }, mount: "aws", headers: {} },
    method: { kind: "aws", role: "app", credential: SECRET, ...method },
  };
  const deps = { client, credentials, clock: () => NOW, ...(reachOf ? { reachOf } : {}) };
  const failure = await login(deps, identity, signal).then(
    () => undefined,
    (error: unknown) => Object(error),
  );
  const [body] = bodies;
  const text = (name: string) => Buffer.from(body?.[name] ?? "", "base64").toString();
  const headers = body && (JSON.parse(text("iam_request_headers")) as Record<string, string>);
  return { asked, body, headers, url: text("iam_request_url"), code: failure?.code, message: String(failure?.message) };
}

const KEYS = { access_key_id: "AKIA", secret_access_key: "s3cr3t" };

describe("a login with AWS keys of a Secret", () => {
  it("is a request that is signed with them, at the time that is given", async () => {
    const { body, headers, url } = await logsIn({ data: KEYS });
    assert.deepEqual([body?.role, body?.iam_http_request_method, url], ["app", "POST", "https://sts.amazonaws.com/"]);
    assert.equal(
      Buffer.from(body?.iam_request_body ?? "", "base64").toString(),
      "Action=GetCallerIdentity&Version=2011-06-15",
    );
    assert.equal(headers?.["x-amz-date"], "20300101T000000Z");
    assert.match(headers?.authorization ?? "", /Credential=AKIA\/20300101\/us-east-1\/sts\/aws4_request/);
    assert.equal("x-amz-security-token" in (headers ?? {}), false);
    assert.equal("x-vault-aws-iam-server-id" in (headers ?? {}), false);
    assert.equal(JSON.stringify(body).includes("s3cr3t"), false);
  });

  it("is of its region, its Vault and its session", async () => {
    const method = { region: "cn-north-1", headerValue: "vault.example" };
    const { headers, url } = await logsIn({ data: { ...KEYS, session_token: "session" }, method });
    assert.equal(url, "https://sts.cn-north-1.amazonaws.com.cn/");
    assert.equal(headers?.host, "sts.cn-north-1.amazonaws.com.cn");
    assert.equal(headers?.["x-vault-aws-iam-server-id"], "vault.example");
    assert.equal(headers?.["x-amz-security-token"], "session");
    assert.match(headers?.authorization ?? "", /\/cn-north-1\/sts\//);
    assert.match(headers?.authorization ?? "", /SignedHeaders=[^,]*x-vault-aws-iam-server-id/);
  });

  for (const missing of Object.keys(KEYS)) {
    it(`needs ${missing}`, async () => {
      const { code, message, body } = await logsIn({ data: { ...KEYS, [missing]: "" } });
      assert.deepEqual([code, body], ["REFERENCE_MISSING", undefined]);
      assert.match(message, /Secret shop\/app in cluster east needs/);
    });
  }
});

describe("a login with the IAM role of a service account", () => {
  const method = { credential: ACCOUNT, stsEndpoint: NOBODY };
  const named: ReachOf = (cluster) => ({
    ...{ named: [], onlyNamed: false },
    ...(cluster === "east" ? { stsEndpoint: NOBODY } : {}),
  });

  for (const role of [undefined, "app", "arn:aws:iam::1:role/app", "arn:aws:iam::123456789012:user/app"]) {
    it(`needs a role in its annotation, and not ${role}`, async () => {
      const annotations = role === undefined ? {} : { "eks.amazonaws.com/role-arn": role };
      const { code, message } = await logsIn({ method, annotations, reachOf: named });
      assert.equal(code, "REFERENCE_INVALID");
      assert.match(message, /ServiceAccount shop\/app in cluster east has no IAM role/);
    });
  }

  it("asks no token service that fleet.yaml does not name for the cluster", async () => {
    const annotations = { "eks.amazonaws.com/role-arn": ROLE };
    for (const reachOf of [undefined, () => ({ named: [], onlyNamed: false })]) {
      const { code, asked } = await logsIn({ method, annotations, ...(reachOf ? { reachOf } : {}) });
      assert.deepEqual([code, asked], ["VAULT_ADDRESS_NOT_ALLOWED", []]);
    }
  });

  it("asks with the account's token, for the audience and the time that its annotations say", async () => {
    await using peer = await httpPeer((_, response) => response.writeHead(400).end());
    const stsEndpoint = peer.target.address;
    const asks = async (more: Readonly<Record<string, string>>) => {
      const annotations = { "eks.amazonaws.com/role-arn": ROLE, ...more };
      const reachOf = () => ({ named: [], onlyNamed: true, stsEndpoint });
      return (await logsIn({ method: { ...method, stsEndpoint }, annotations, reachOf })).asked;
    };
    assert.deepEqual(await asks({}), [ACCOUNT]);
    assert.equal(peer.seen.length, 1);
    assert.deepEqual(
      await asks({ "eks.amazonaws.com/audience": "other", "eks.amazonaws.com/token-expiration": "3600" }),
      [{ ...ACCOUNT, audiences: ["other"], expirationSeconds: 3_600 }],
    );
    assert.deepEqual(await asks({ "eks.amazonaws.com/token-expiration": "-1" }), [ACCOUNT]);
  });

  it("signs with the role's keys", async () => {
    const keys = "<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>k</SecretAccessKey><SessionToken>s</SessionToken>";
    const result = `<Credentials>${keys}<Expiration>2030-01-01T01:00:00Z</Expiration></Credentials>`;
    const tag = "AssumeRoleWithWebIdentity";
    const answer = `<${tag}Response><${tag}Result>${result}</${tag}Result></${tag}Response>`;
    await using peer = await httpPeer((_, response) => response.setHeader("content-type", "text/xml").end(answer));
    const stsEndpoint = peer.target.address;
    const { headers, message } = await logsIn({
      method: { ...method, stsEndpoint },
      annotations: { "eks.amazonaws.com/role-arn": ROLE },
      reachOf: () => ({ named: [], onlyNamed: false, stsEndpoint }),
    });
    assert.match(headers?.authorization ?? message, /Credential=ASIA\//);
    assert.equal(headers?.["x-amz-security-token"], "s");
  });

  describe("where fleet.yaml requires audiences", () => {
    /** The audiences of the tokens that were asked for, and how the login ended. */
    const fetched = async (audience: string, stsEndpoint: string, more: Partial<Given> = {}) => {
      const annotations = { "eks.amazonaws.com/role-arn": ROLE, "eks.amazonaws.com/audience": audience };
      const reachOf: ReachOf = () => ({ named: [], onlyNamed: false, requiresAudiences: true });
      const login = await logsIn({
        ...{ annotations, reachOf, withoutToken: true, ...more },
        method: { ...method, region: "cn-north-1", stsEndpoint },
      });
      const audiences = login.asked.map((ref) => Object(ref).audiences.join());
      return { audiences, code: login.code, message: login.message };
    };

    it("sends a token with another audience than AWS's to AWS itself and fleet.yaml's token service alone", async () => {
      const { audiences, code, message } = await fetched("https://kubernetes.default.svc", "https://sts.invalid");
      assert.deepEqual([audiences, code], [[], "REFERENCE_INVALID"]);
      assert.match(
        message,
        /^ServiceAccount shop\/app in cluster east asks for a token .*remove eks\.amazonaws\.com\/audience, or name/,
      );
      const reachOf: ReachOf = () => ({ ...named("east"), requiresAudiences: true });
      assert.deepEqual((await fetched("own", NOBODY, { reachOf })).audiences, ["own"]);
      assert.deepEqual((await fetched("own", "https://sts.cn-north-1.amazonaws.com.cn")).audiences, ["own"]);
    });

    it("sends one with AWS's audience anywhere", async () => {
      for (const audience of ["sts.amazonaws.com", "sts.amazonaws.com.cn", ""]) {
        const { audiences } = await fetched(audience, "https://sts.invalid");
        assert.deepEqual(audiences, [audience || "sts.amazonaws.com"]);
      }
    });
  });
});

describe("a token service of AWS that means no good", () => {
  /** Logs in with a role's keys, and waits until none of the service's answers is open any more. */
  async function asks(answer: (response: ServerResponse) => void, signal?: AbortSignal) {
    const answers: ServerResponse[] = [];
    await using peer = await httpPeer((request, response) => {
      request.resume();
      answers.push(response.writeHead(200, { "content-type": "text/xml" }));
      answer(response);
    });
    const stsEndpoint = peer.target.address;
    const { code } = await logsIn({
      method: { credential: ACCOUNT, stsEndpoint },
      annotations: { "eks.amazonaws.com/role-arn": ROLE },
      reachOf: () => ({ named: [], onlyNamed: false, stsEndpoint }),
      ...(signal && { signal }),
    });
    const open = () => answers.filter(({ closed }) => !closed).length;
    await waitFor("the end of its answers", async () => open() === 0);
    return { code, asked: answers.length };
  }

  it("is read no further than an answer may be long", { timeout: 120_000 }, async () => {
    const part = Buffer.alloc(64 * 1_024, " ");
    const flood = (response: ServerResponse): void => {
      while (!response.destroyed && response.write(part)) {}
      response.once("drain", () => flood(response));
    };
    assert.deepEqual(await asks(flood), { code: "CLOUD_UNAVAILABLE", asked: 1 });
  });

  const drip = (response: ServerResponse): void => {
    const timer = setInterval(() => response.write(" "), 5);
    response.on("close", () => clearInterval(timer));
  };

  it("is left in the middle of an answer when the login ends", { timeout: 120_000 }, async () => {
    const end = new AbortController();
    const reply = (response: ServerResponse) => {
      drip(response);
      response.write(" ", () => end.abort());
    };
    assert.deepEqual(await asks(reply, end.signal), { code: "DEADLINE_EXCEEDED", asked: 1 });
  });

  it("is left after 12 s, even if the login may go on", { timeout: 120_000 }, async (t) => {
    const time = new AbortController();
    const limit = t.mock.method(AbortSignal, "timeout", () => time.signal).mock;
    const reply = (response: ServerResponse) => {
      drip(response);
      response.write(" ", () => time.abort());
    };
    assert.deepEqual(await asks(reply), { code: "CLOUD_UNAVAILABLE", asked: 1 });
    assert.deepEqual(
      limit.calls.map(({ arguments: [ms] }) => ms),
      [12_000],
    );
  });
});
