import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { stringify } from "yaml";
import { portability } from "../../../lib/kubernetes/portable.ts";

function config(
  user: Readonly<Record<string, unknown>>,
  cluster: Readonly<Record<string, unknown>> = { server: "https://a" },
): string {
  return stringify({
    clusters: [{ name: "c", cluster }],
    users: [
      { name: "app", user },
      { name: "admin", user: { token: "t" } },
    ],
    contexts: [
      { name: "prod", context: { cluster: "c", user: "app" } },
      { name: "torn", context: { cluster: "c", user: "nobody" } },
    ],
    "current-context": "prod",
  });
}

const problems = (text: string, context?: string) => portability(text, [context]).problems;

describe("a kubeconfig on its own", () => {
  it("works with embedded credentials", () => {
    assert.deepEqual(problems(config({ token: "t" })), []);
    assert.deepEqual(problems(config({ "client-certificate-data": "x", "client-key-data": "y" })), []);
    assert.deepEqual(problems(config({ "client-certificate": "/x", "client-certificate-data": "x", token: "t" })), []);
  });

  it("tells users that no context uses", () => {
    assert.deepEqual(portability(config({ token: "t" }), [undefined]).unused, ["admin"]);
  });

  it("can't run an exec plugin", () => {
    const [problem = ""] = problems(config({ exec: { command: "aws", args: ["eks", "get-token"] } }));
    assert.match(problem, /user app logs in with an exec plugin \(aws\).*use connect\.eks.*or a token/);
    assert.match(problems(config({ "auth-provider": { name: "gcp" } }))[0] ?? "", /auth-provider/);
  });

  it("lacks files that it names", () => {
    const found = problems(
      config(
        { "client-certificate": "c.crt", "client-key": "c.key", tokenFile: "/t" },
        { "certificate-authority": "ca.crt" },
      ),
    );
    const fields = found.map((problem) => /its (\S+) is a file/.exec(problem)?.[1]);
    assert.deepEqual(fields, ["client-certificate", "client-key", "tokenFile", "certificate-authority"]);
    assert.ok(found.every((problem) => problem.includes("--flatten")));
  });

  it("is refused when it is torn, and never quoted", () => {
    assert.deepEqual(problems("token: [s3cret"), ["it is not a kubeconfig"]);
    assert.deepEqual(problems("s3cret"), ["it is not a kubeconfig"]);
    assert.deepEqual(problems(config({ token: "t" }), "absent"), ['it has no context "absent"']);
    assert.deepEqual(problems(config({ token: "t" }), "torn"), ['it lacks the user of context "torn"']);
  });
});
