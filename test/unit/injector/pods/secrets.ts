import { memory, type Wanted } from "../wanted.ts";
import { both, inTemplate, jsonOf, mapOf, type PodCase, template, without } from "./case.ts";

function templates(...list: readonly Record<string, unknown>[]): (wanted: Wanted) => void {
  return ({ configs }) => {
    for (const config of configs) config.template = structuredClone([...list]);
  };
}

const db = template("/vault/secrets/db", mapOf("kv/data/shop"));

/** Every container that gets the files, with this mount after the common one. */
function customMount(at: number, mountPath: string): (wanted: Wanted) => void {
  return ({ pod, web, log, agents }) => {
    const name = `vault-secrets-custom-${at}`;
    pod.spec.volumes?.push(memory(name));
    for (const { volumeMounts } of [web, log, ...agents]) volumeMounts?.push({ name, mountPath });
  };
}

function mountedAt(mountPath: string): (wanted: Wanted) => void {
  return ({ web, log, agents }) => {
    for (const { volumeMounts = [] } of [web, log, ...agents]) {
      for (const mount of volumeMounts) if (mount.name === "vault-secrets") mount.mountPath = mountPath;
    }
  };
}

export const SECRETS: readonly PodCase[] = [
  { title: "one secret" },
  { title: "no secret: the agent has the token only", given: without("agent-inject-secret-db"), want: templates() },
  {
    title: "several secrets are sorted by name",
    annotations: { "agent-inject-secret-zeta": "kv/data/z", "agent-inject-secret-alpha": "kv/data/a" },
    want: templates(
      template("/vault/secrets/alpha", mapOf("kv/data/a")),
      db,
      template("/vault/secrets/zeta", mapOf("kv/data/z")),
    ),
  },
  {
    title: "a template in place of the default",
    annotations: { "agent-inject-template-db": '{{ with secret "kv/data/shop" }}x{{ end }}' },
    want: inTemplate({ contents: '{{ with secret "kv/data/shop" }}x{{ end }}' }),
  },
  {
    title: "a template declares a secret",
    annotations: { "agent-inject-template-app": "static" },
    want: templates(template("/vault/secrets/app", { contents: "static" }), db),
  },
  {
    title: "a template file declares a secret",
    annotations: { "agent-inject-template-file-app": "/vault/custom/app.ctmpl" },
    want: templates(template("/vault/secrets/app", { source: "/vault/custom/app.ctmpl" }), db),
  },
  {
    title: "a template comes before a template file",
    annotations: { "agent-inject-template-db": "x", "agent-inject-template-file-db": "/vault/custom/x" },
    want: inTemplate({ contents: "x" }),
  },
  {
    title: "a template file comes before the default template",
    annotations: { "agent-inject-template-file-db": "/vault/custom/x" },
    want: ({ configs }) => {
      for (const config of configs) config.template = [template("/vault/secrets/db", { source: "/vault/custom/x" })];
    },
  },
  {
    title: "a template of spaces is none",
    annotations: { "agent-inject-template-db": "  \n" },
  },
  { title: "a secret of spaces is none", annotations: { "agent-inject-secret-app": " " } },
  { title: "an empty secret is none", annotations: { "agent-inject-secret-app": "" } },
  {
    title: "agent-inject-template-file-x is the file of x, not the template of file-x",
    annotations: { "agent-inject-template-file-x": "/t" },
    want: templates(db, template("/vault/secrets/x", { source: "/t" })),
  },
  {
    title: "agent-inject-secret without a name has no effect",
    annotations: { "agent-inject-secret": "kv/data/a" },
    warnings: [/^vault\.hashicorp\.com\/agent-inject-secret: has no effect: a name must follow/],
  },
  {
    title: "agent-inject-secret- without a name has no effect",
    isImpossible: true,
    annotations: { "agent-inject-secret-": "kv/data/a" },
    warnings: [/^vault\.hashicorp\.com\/agent-inject-secret-: has no effect: a name must follow/],
  },
  {
    title: "a file of another name",
    annotations: { "agent-inject-file-db": "Shop.conf" },
    want: inTemplate({ destination: "/vault/secrets/Shop.conf" }),
  },
  {
    title: "a file in a folder",
    annotations: { "agent-inject-file-db": "etc/shop.conf" },
    want: inTemplate({ destination: "/vault/secrets/etc/shop.conf" }),
  },
  {
    title: "an absolute file is below the mount",
    annotations: { "agent-inject-file-db": "/etc/shop.conf" },
    want: inTemplate({ destination: "/vault/secrets/etc/shop.conf" }),
  },
  {
    title: "the path of a file is cleaned",
    annotations: { "agent-inject-file-db": "./a//b/../shop.conf/" },
    want: inTemplate({ destination: "/vault/secrets/a/shop.conf" }),
  },
  {
    title: "permissions",
    annotations: { "agent-inject-perms-db": "0400" },
    want: inTemplate({ perms: "0400" }),
  },
  {
    title: "permissions that are no octal number are kept, with a warning",
    annotations: { "agent-inject-perms-db": "rw" },
    want: inTemplate({ perms: "rw" }),
    warnings: [/^vault\.hashicorp\.com\/agent-inject-perms-db: is no octal number/],
  },
  {
    title: "a command after each rendering",
    annotations: { "agent-inject-command-db": "sh -c 'kill -HUP $(pidof web)'" },
    want: inTemplate({ command: "sh -c 'kill -HUP $(pidof web)'" }),
  },
  {
    title: "delimiters of the template",
    annotations: {
      "agent-template-left-delim-db": "<<",
      "agent-template-right-delim-db": ">>",
      "agent-inject-template-db": "<< 1 >>",
    },
    want: inTemplate({ contents: "<< 1 >>", left_delimiter: "<<", right_delimiter: ">>" }),
  },
  {
    title: "the default template uses the delimiters of its secret",
    annotations: { "agent-template-left-delim-db": "<<", "agent-template-right-delim-db": ">>" },
    want: inTemplate({
      contents: '<< with secret "kv/data/shop" >><< range $k, $v := .Data >><< $k >>: << $v >>\n<< end >><< end >>',
      left_delimiter: "<<",
      right_delimiter: ">>",
    }),
  },
  {
    title: "an error for a missing key",
    annotations: { "error-on-missing-key-db": "true" },
    want: inTemplate({ error_on_missing_key: true }),
  },
  { title: "no error for a missing key", annotations: { "error-on-missing-key-db": "F" } },
  {
    title: "a name in upper case has a file in lower case",
    annotations: { "agent-inject-secret-DB-Main": "kv/data/a" },
    want: templates(template("/vault/secrets/db-main", mapOf("kv/data/a")), db),
  },
  {
    title: "preserve-secret-case keeps upper case",
    annotations: { "agent-inject-secret-DB": "kv/data/a", "preserve-secret-case": "true" },
    want: templates(template("/vault/secrets/DB", mapOf("kv/data/a")), db),
  },
  {
    title: "preserve-secret-case of one secret comes first",
    annotations: {
      "agent-inject-secret-A": "kv/data/a",
      "agent-inject-secret-B": "kv/data/b",
      "preserve-secret-case": "true",
      "preserve-secret-case-A": "false",
    },
    want: templates(
      template("/vault/secrets/a", mapOf("kv/data/a")),
      template("/vault/secrets/B", mapOf("kv/data/b")),
      db,
    ),
  },
  {
    title: "names that differ in case only have the same file, with a warning",
    annotations: { "agent-inject-secret-DB": "kv/data/a" },
    want: templates(template("/vault/secrets/db", mapOf("kv/data/a")), db),
    warnings: [/^secret db: has the same file as the secret DB/],
  },
  {
    title: "two secrets with the same file, with a warning",
    annotations: { "agent-inject-secret-b": "kv/data/b", "agent-inject-file-b": "db" },
    want: templates(template("/vault/secrets/db", mapOf("kv/data/b")), db),
    warnings: [/^secret db: has the same file as the secret b/],
  },
  {
    title: "another path for all secrets",
    annotations: { "secret-volume-path": "/etc/shop" },
    want: both(mountedAt("/etc/shop"), inTemplate({ destination: "/etc/shop/db" })),
  },
  {
    title: "a slash at the end of the path stays",
    annotations: { "secret-volume-path": "/etc/shop/" },
    want: both(mountedAt("/etc/shop/"), inTemplate({ destination: "/etc/shop//db" })),
  },
  {
    title: "another path for one secret is another volume",
    annotations: { "secret-volume-path-db": "/etc/db" },
    want: both(customMount(0, "/etc/db"), inTemplate({ destination: "/etc/db/db" })),
  },
  {
    title: "a file at another path",
    annotations: { "secret-volume-path-db": "/etc/db", "agent-inject-file-db": "x/../shop.conf" },
    want: both(customMount(0, "/etc/db"), inTemplate({ destination: "/etc/db/shop.conf" })),
  },
  {
    title: "each path has one volume, in the order of the secrets",
    annotations: {
      "agent-inject-secret-c": "kv/data/c",
      "agent-inject-secret-a": "kv/data/a",
      "secret-volume-path-a": "/z",
      "secret-volume-path-c": "/y",
      "secret-volume-path-db": "/z",
    },
    want: both(
      customMount(0, "/z"),
      customMount(1, "/y"),
      templates(
        template("/z/a", mapOf("kv/data/a")),
        template("/y/c", mapOf("kv/data/c")),
        template("/z/db", mapOf("kv/data/shop")),
      ),
    ),
  },
  {
    title: "the common path for one secret is no other volume",
    annotations: { "secret-volume-path-db": "/vault/secrets" },
  },
  {
    title: "the default template as JSON",
    annotations: { "agent-inject-default-template": "json" },
    want: inTemplate(jsonOf("kv/data/shop")),
  },
  {
    title: "the default template by a name in any case",
    annotations: { "agent-inject-default-template": "JSON" },
    want: inTemplate(jsonOf("kv/data/shop")),
  },
  { title: "the default template as a map", annotations: { "agent-inject-default-template": "Map" } },
  {
    title: "a quote in a path does not end the template's text",
    annotations: { "agent-inject-secret-db": 'kv/data/a"}}{{b\\' },
    want: inTemplate(mapOf('kv/data/a\\"}}{{b\\\\')),
  },
  {
    title: "a line break in a path is escaped",
    annotations: { "agent-inject-secret-db": "kv/data/a\n\u001fb" },
    want: inTemplate(mapOf("kv/data/a\\u000a\\u001fb")),
  },
  {
    title: "the token beside the secrets",
    annotations: { "agent-inject-token": "true" },
    want: ({ configs }) => {
      for (const { auto_auth } of configs)
        auto_auth.sink.push({ type: "file", config: { path: "/vault/secrets/token" } });
    },
  },
  {
    title: "a secret called token",
    annotations: { "agent-inject-secret-token": "kv/data/t" },
    want: templates(db, template("/vault/secrets/token", mapOf("kv/data/t"))),
  },
  {
    title: "the token at another path",
    annotations: { "agent-inject-token": "1", "secret-volume-path": "/s", "agent-inject-secret-token": "kv/data/t" },
    want: both(
      mountedAt("/s"),
      templates(template("/s/db", mapOf("kv/data/shop")), template("/s/token", mapOf("kv/data/t"))),
      ({ configs }) => {
        for (const { auto_auth } of configs) auto_auth.sink.push({ type: "file", config: { path: "/s/token" } });
      },
    ),
    warnings: [/^secret token: has the same file as the token/],
  },
  ...[
    ["agent-inject-file", "x"],
    ["agent-inject-perms", "0400"],
    ["agent-inject-command", "x"],
    ["agent-template-left-delim", "<"],
    ["agent-template-right-delim", ">"],
    ["error-on-missing-key", "true"],
    ["preserve-secret-case", "true"],
    ["secret-volume-path", "/x"],
    ["keyferry.dev/agent-env", "true"],
  ].map(([name = "", value = ""]) => ({
    title: `${name} of a secret that is not declared has no effect`,
    annotations: { [`${name}-dbb`]: value },
    warnings: [new RegExp(`${name}-dbb: has no effect: no annotation declares this secret$`)],
  })),
  {
    title: "a secret called __proto__",
    isImpossible: true,
    annotations: { "agent-inject-secret-__proto__": "kv/data/p" },
    want: templates(template("/vault/secrets/__proto__", mapOf("kv/data/p")), db),
  },
];
