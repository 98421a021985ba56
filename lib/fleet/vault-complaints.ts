import { type Complaint, valueAt } from "../util/complaints.ts";
import { normalAddress } from "../vault-address.ts";
import { eventsComplaints } from "./events-schema.ts";

/** Complaints about the fleet's Vaults and clusters: repeated names and addresses, unknown references. Never throws. */

type Path = readonly PropertyKey[];
interface Named {
  readonly path: Path;
  readonly text: string;
}

function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The strings at this path of each item. */
function texts(list: readonly unknown[], at: Path, field: string): readonly Named[] {
  return list.flatMap((item, index) => {
    const text = valueAt(item, [field]);
    return typeof text === "string" ? [{ path: [...at, index, field], text }] : [];
  });
}

/** A complaint for each name that occurred before. */
export function repeated(names: readonly Named[], message: string): readonly Complaint[] {
  const seen = new Set<string>();
  return names.flatMap(({ path, text }): readonly Complaint[] => {
    if (seen.has(text)) return [{ path, message }];
    seen.add(text);
    return [];
  });
}

export function repeatedNames(list: readonly unknown[], at: Path, what: string): readonly Complaint[] {
  return repeated(texts(list, at, "name"), `is already the name of another ${what}`);
}

/** Each address belongs to one Vault, so that its CA and namespace are unambiguous. */
function repeatedAddresses(vaults: readonly unknown[]): readonly Complaint[] {
  const all = vaults.flatMap((vault, index) =>
    items(valueAt(vault, ["addresses"])).flatMap((address, at) =>
      typeof address === "string" ? [{ path: ["vaults", index, "addresses", at], text: normalAddress(address) }] : [],
    ),
  );
  return repeated(all, "is already an address of a Vault above");
}

/** The method of each defined identity, by `vault/identity`. */
function identitiesOf(vaults: readonly unknown[]): ReadonlyMap<string, unknown> {
  const methods = vaults.flatMap((vault) =>
    items(valueAt(vault, ["identities"])).map(
      (identity) =>
        [`${valueAt(vault, ["name"])}/${valueAt(identity, ["name"])}`, valueAt(identity, ["method"])] as const,
    ),
  );
  return new Map(methods);
}

function lentComplaints(cluster: unknown, at: Path, vaults: readonly unknown[]): readonly Complaint[] {
  const defined = identitiesOf(vaults);
  return items(valueAt(cluster, ["vault", "identities"])).flatMap((name, index): readonly Complaint[] => {
    const path = [...at, "vault", "identities", index];
    if (typeof name !== "string") return [];
    if (!defined.has(name))
      return [{ path, message: "is not an identity in vaults: must be vault/identity, by their names" }];
    // An unknown method is a complaint of the identity itself.
    const isOfFile = ["jwt", "kubernetes", "appRole"].includes(String(defined.get(name)));
    return isOfFile ? [{ path, message: "can't be lent: only an identity of method aws can" }] : [];
  });
}

/** The Vault and the identity that a way to connect names, if it names any. */
function wayComplaints(cluster: unknown, at: Path, vaults: readonly unknown[]): readonly Complaint[] {
  return ["vaultKubernetes", "vaultKubeconfig"].flatMap((way): readonly Complaint[] => {
    const path = [...at, "connect", way];
    const [name, identity] = ["vault", "identity"].map((field) => valueAt(cluster, ["connect", way, field]));
    if (typeof name !== "string") return [];
    const vault = vaults.find((one) => valueAt(one, ["name"]) === name);
    if (vault === undefined) return [{ path: [...path, "vault"], message: "is not the name of one of vaults" }];
    const isKnown = items(valueAt(vault, ["identities"])).some((one) => valueAt(one, ["name"]) === identity);
    if (typeof identity !== "string" || isKnown) return [];
    return [{ path: [...path, "identity"], message: "is not the name of one of the identities of that Vault" }];
  });
}

/** What a VaultPushSecret may be declared with: by mountedOnly nothing but what a pod template mounts is pushed. */
function resourceComplaints(push: unknown, at: Path): readonly Complaint[] {
  const isDeclared = items(valueAt(push, ["kinds"])).includes("VaultPushSecret");
  const names = items(valueAt(push, ["choices", "identities"])).map((one) => valueAt(one, ["name"]));
  const twice = names.flatMap((name, index): readonly Complaint[] =>
    names.indexOf(name) === index
      ? []
      : [{ path: [...at, "choices", "identities", index, "name"], message: "is the name of another one" }],
  );
  const choices = valueAt(push, ["choices"]);
  return [
    ...(isDeclared && valueAt(push, ["mountedOnly"]) === true
      ? [
          {
            path: [...at, "mountedOnly"],
            message: "must not be true if kinds has VaultPushSecret, which mounts nothing",
          },
        ]
      : []),
    ...(choices !== undefined && !isDeclared
      ? [{ path: [...at, "choices"], message: "has no effect without VaultPushSecret in kinds" }]
      : []),
    ...twice,
  ];
}

/** The Vault that Secrets are pushed to must be one that this file names, and polling finds no annotated Secrets. */
function pushComplaints(cluster: unknown, at: Path, vaults: readonly unknown[]): readonly Complaint[] {
  if (valueAt(cluster, ["push"]) === undefined) return [];
  const kinds = valueAt(cluster, ["push", "kinds"]);
  const isPolled = valueAt(cluster, ["push", "secrets"]) === "poll";
  if (isPolled && (kinds === undefined || items(kinds).includes("Secret"))) {
    const message =
      "must leave out Secret if secrets is poll: annotated Secrets are found only by following all of them";
    return [{ path: [...at, "push", "kinds"], message }];
  }
  const name = valueAt(cluster, ["push", "vault"]);
  if (typeof name === "string") {
    const isKnown = vaults.some((vault) => valueAt(vault, ["name"]) === name);
    return isKnown ? [] : [{ path: [...at, "push", "vault"], message: "is not the name of one of vaults" }];
  }
  const hasVault = ["name", "address"].some((field) => valueAt(cluster, ["vault", field]) !== undefined);
  if (hasVault) return [];
  return [{ path: [...at, "push", "vault"], message: "required, unless the cluster has vault.name or vault.address" }];
}

function clusterComplaints(cluster: unknown, at: Path, vaults: readonly unknown[]): readonly Complaint[] {
  const name = valueAt(cluster, ["vault", "name"]);
  const isNamed = valueAt(cluster, ["vaultAddresses"]) === "named";
  const hasNone = vaults.length === 0 && valueAt(cluster, ["vault", "address"]) === undefined;
  return [
    ...lentComplaints(cluster, at, vaults),
    ...wayComplaints(cluster, at, vaults),
    ...pushComplaints(cluster, at, vaults),
    ...resourceComplaints(valueAt(cluster, ["push"]), [...at, "push"]),
    ...(typeof name === "string" && !vaults.some((vault) => valueAt(vault, ["name"]) === name)
      ? [{ path: [...at, "vault", "name"], message: "is not the name of one of vaults" }]
      : []),
    ...(name !== undefined && valueAt(cluster, ["vault", "address"]) !== undefined
      ? [{ path: [...at, "vault"], message: "must have one of name and address" }]
      : []),
    ...(isNamed && hasNone
      ? [
          {
            path: [...at, "vaultAddresses"],
            message: "is named, but this file names no Vault: add vaults, or vault.address",
          },
        ]
      : []),
  ];
}

export function vaultComplaints(input: unknown): readonly Complaint[] {
  const vaults = items(valueAt(input, ["vaults"]));
  const clusters = items(valueAt(input, ["clusters"]));
  return [
    ...repeatedNames(vaults, ["vaults"], "Vault"),
    ...vaults.flatMap((vault, at) =>
      repeatedNames(items(valueAt(vault, ["identities"])), ["vaults", at, "identities"], "identity"),
    ),
    ...repeatedAddresses(vaults),
    ...eventsComplaints(vaults),
    ...clusters.flatMap((cluster, at) => clusterComplaints(cluster, ["clusters", at], vaults)),
    ...items(valueAt(input, ["hubs"])).flatMap((hub, at) =>
      clusterComplaints(valueAt(hub, ["defaults"]), ["hubs", at, "defaults"], vaults),
    ),
  ];
}
