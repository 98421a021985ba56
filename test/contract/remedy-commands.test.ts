import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { KubeConfig } from "@kubernetes/client-node";
import { loginRemedy } from "../../lib/doctor/cluster/credentials.ts";
import type { Examined, Surveyed } from "../../lib/doctor/context.ts";
import type { LoginGroup } from "../../lib/doctor/vault/login-group.ts";
import { grantRights, loginRefusal } from "../../lib/doctor/vault/vault-remedies.ts";
import { obtain } from "../harness/index.ts";
import { tempFolder } from "../harness/process/temp-folder.ts";

/** A shell with `sh`'s own tools, jq, and programs that answer as they are told and note what they were asked. */
async function shellWith(programs: Readonly<Record<string, string>>, { jq = true } = {}) {
  const folder = await tempFolder("remedy");
  const log = join(folder.path, "log");
  await writeFile(log, "");
  if (jq) await symlink(await obtain("jq"), join(folder.path, "jq"));
  for (const tool of ["cat", "cp", "mv", "sh", "base64"]) await symlink(`/bin/${tool}`, join(folder.path, tool));
  for (const [name, body] of Object.entries(programs)) {
    const path = join(folder.path, name);
    await writeFile(path, `#!/bin/sh\nprintf '%s\\n' "${name} $*" >> ${log}\n${body}\n`);
    await chmod(path, 0o755);
  }
  return {
    path: folder.path,
    async run(lines: string) {
      const options = { env: { PATH: folder.path }, cwd: folder.path };
      const failed = await new Promise<boolean>((done) => {
        const child = execFile("/bin/sh", ["-c", lines], options, (error) => done(error !== null));
        child.stdin?.end();
      });
      return { failed, asked: (await readFile(log, "utf8")).split("\n").filter((line) => line !== "") };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

const SURVEYED = {
  deps: {},
  settings: { name: "one", operatorNamespace: "vso" },
  connection: { origin: "https://api:6443", prefix: "" },
} as unknown as Surveyed;

function login(kind: "kubernetes" | "jwt"): LoginGroup {
  const credential = { kind: "serviceAccount", namespace: "shop", name: "app", audiences: ["vault"] };
  const method = { kind, role: "shop", credential };
  const identity = { id: "id", target: { address: "https://vault:8200" }, mount: "kubernetes", headers: {}, method };
  return { identity, keys: [], rights: [], events: [] } as unknown as LoginGroup;
}

const READ = { path: "kv/data/db", capability: "read" } as const;
const attached = grantRights(SURVEYED, login("kubernetes"), [READ], ["default"]).text;
const appended = grantRights(SURVEYED, login("jwt"), [READ], ["default", "team"]).text;
const bound = loginRefusal(SURVEYED, login("kubernetes"), "the role does not allow this service account").text;

const ROLE = { data: { token_policies: ["theirs"], bound_service_account_names: ["other"] } };
const answering = (answer: object) => `case "$1" in read) printf '%s' '${JSON.stringify(answer)}';; esac`;

const isRoleWrite = (line: string) => line.startsWith("vault write auth/kubernetes/role/shop ");

describe("what adds to a list of a role in Vault", () => {
  it("keeps what is in the list", async () => {
    await using shell = await shellWith({ vault: answering(ROLE) });
    const { failed, asked } = await shell.run(`${attached}\n${bound}`);
    assert.equal(failed, false);
    const [policies = "", names] = asked.filter(isRoleWrite);
    assert.match(policies, / token_policies=keyferry-one-shop-\w+,theirs$/);
    assert.equal(names, "vault write auth/kubernetes/role/shop bound_service_account_names=app,other");
  });

  it("writes nothing where the list could not be read", async () => {
    const ways = {
      "without jq": [answering(ROLE), { jq: false }],
      "Vault refuses": ['case "$1" in read) exit 2;; esac', {}],
      "Vault refuses late": [`${answering(ROLE)}\ncase "$1" in read) exit 2;; esac`, {}],
      "Vault answers with something else": [answering({ errors: [] }), {}],
    } as const;
    for (const [way, [vault, tools]] of Object.entries(ways)) {
      for (const text of [attached, bound]) {
        await using shell = await shellWith({ vault }, tools);
        const { failed, asked } = await shell.run(text);
        assert.deepEqual([failed, asked.filter(isRoleWrite)], [true, []], way);
      }
    }
  });
});

describe("what adds to a policy in Vault", () => {
  const vault = (answer: string) => `case "$2" in read) ${answer};; write) cat > policy;; esac`;

  it("keeps what is in the policy", async () => {
    await using shell = await shellWith({ vault: vault("printf '# theirs\\n'") });
    assert.equal((await shell.run(appended)).failed, false);
    const written = await readFile(join(shell.path, "policy"), "utf8");
    assert.equal(written, '# theirs\npath "kv/data/db" {\n  capabilities = ["read"]\n}\n');
  });

  it("writes nothing where the policy could not be read", async () => {
    for (const answer of ["exit 2", "exit 0"]) {
      await using shell = await shellWith({ vault: vault(answer) });
      const { failed, asked } = await shell.run(appended);
      assert.deepEqual([failed, asked], [true, ["vault policy read team"]]);
    }
  });
});

describe("what lets Vault review tokens", () => {
  const mounted = loginRefusal(SURVEYED, login("kubernetes"), "the auth method is not configured").text;
  const kubectl = (token: string) => `case "$*" in
    "apply -f -") cat > applied;;
    *get*secret*) ${token};;
    *get*configmap*) printf CA;;
  esac`;

  it("gives Vault a token without an end, which the API server can't shorten", async () => {
    await using shell = await shellWith({ kubectl: kubectl("printf dG9rZW4="), vault: "cat > given" });
    const { failed, asked } = await shell.run(mounted);
    assert.equal(failed, false);
    assert.equal(await readFile(join(shell.path, "given"), "utf8"), "token");
    assert.match(asked.at(-1) ?? "", /^vault write auth\/kubernetes\/config .* kubernetes_ca_cert=CA$/);
    const applied = await readFile(join(shell.path, "applied"), "utf8");
    assert.match(applied, /^type: kubernetes.io\/service-account-token$/m);
    assert.doesNotMatch(asked.join("\n"), /create token/);
  });

  it("sets nothing in Vault without the token", async () => {
    for (const token of ["exit 1", "exit 0"]) {
      await using shell = await shellWith({ kubectl: kubectl(token), vault: "true" });
      const { failed, asked } = await shell.run(mounted);
      assert.deepEqual([failed, asked.filter((line) => line.startsWith("vault"))], [true, []]);
    }
  });
});

const claims = { exp: 1, sub: "system:serviceaccount:keyferry:keyferry" };
const TOKEN = `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;

function renewal(connect: object): string {
  const examined = { settings: { name: "one", connect }, deps: { files: { local: (path: string) => path } } };
  const config = { getCurrentUser: () => ({ name: "keyferry", token: TOKEN }) };
  return loginRemedy(examined as unknown as Examined, config as unknown as KubeConfig).text;
}

describe("what renews keyferry's token", () => {
  const inFile = renewal({ server: { tokenFile: "the token" } });
  const inKubeconfig = renewal({ kubeconfig: { path: "kubeconfig" } });
  const withToken = async (kubectl: string) => {
    const shell = await shellWith({ kubectl });
    await writeFile(join(shell.path, "the token"), "old", { mode: 0o600 });
    return shell;
  };
  const tokenOf = async ({ path }: { readonly path: string }) => {
    const file = join(path, "the token");
    return [await readFile(file, "utf8"), (await stat(file)).mode & 0o777] as const;
  };

  it("replaces the file, which stays as closed as it was", async () => {
    await using shell = await withToken("printf new");
    assert.equal((await shell.run(inFile)).failed, false);
    assert.deepEqual(await tokenOf(shell), ["new", 0o600]);
  });

  it("leaves the token as it is where there is no other", async () => {
    for (const kubectl of ["exit 1", "exit 0", "printf half; exit 1"]) {
      await using shell = await withToken(kubectl);
      assert.equal((await shell.run(inFile)).failed, true);
      assert.deepEqual(await tokenOf(shell), ["old", 0o600]);
      const { failed, asked } = await shell.run(inKubeconfig);
      assert.deepEqual([failed, asked.filter((line) => line.includes("set-credentials"))], [true, []]);
    }
  });

  it("puts it into the kubeconfig", async () => {
    await using shell = await withToken("printf new");
    const { asked } = await shell.run(inKubeconfig);
    assert.equal(asked.at(-1), "kubectl config set-credentials keyferry --kubeconfig=kubeconfig --token=new");
  });
});
