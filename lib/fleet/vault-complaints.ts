import { type Complaint, valueAt } from "../util/complaints.ts";
import { normalAddress } from "../vault-address.ts";

/** What is wrong between the Vaults of a fleet and its clusters: names twice, addresses twice, names of nothing. Never throws. */

type Path = readonly PropertyKey[];
interface Named {
  readonly path: Path;
  readonly text: string;
}

function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The texts at this path of each item. */
function texts(list: readonly unknown[], at: Path, field: string): readonly Named[] {
  return list.flatMap((item, index) => {
    const text = valueAt(item, [field]);
    return typeof text === "string" ? [{ path: [...at, index, field], text }] : [];
  });
}

/** A complaint at each that was there before. */
export function repeated(names: readonly Named[], message: string): readonly Complaint[] {
  const seen = new Set<string>();
  return names.flatMap(({ path, text }): readonly Complaint[] => {
    if (seen.has(text)) return [{ path, message }];
    seen.add(text);
    return [];
  });
}

export function repeatedNames(list: readonly unknown[], at: Path, what: string): readonly Complaint[] {
  return repeated(texts(list, at, "name"), `is the name of another ${what} already`);
}

/** One address is one Vault's: which CA and namespace counts for it must be clear. */
function repeatedAddresses(vaults: readonly unknown[]): readonly Complaint[] {
  const all = vaults.flatMap((vault, index) =>
    items(valueAt(vault, ["addresses"])).flatMap((address, at) =>
      typeof address === "string" ? [{ path: ["vaults", index, "addresses", at], text: normalAddress(address) }] : [],
    ),
  );
  return repeated(all, "is an address of a Vault above already");
}

/** `vault/identity` for each that is defined. */
function identitiesOf(vaults: readonly unknown[]): ReadonlySet<string> {
  const names = vaults.flatMap((vault) =>
    items(valueAt(vault, ["identities"])).map(
      (identity) => `${valueAt(vault, ["name"])}/${valueAt(identity, ["name"])}`,
    ),
  );
  return new Set(names);
}

function clusterComplaints(cluster: unknown, at: Path, vaults: readonly unknown[]): readonly Complaint[] {
  const defined = identitiesOf(vaults);
  const unknown = items(valueAt(cluster, ["vault", "identities"])).flatMap((name, index): readonly Complaint[] => {
    if (typeof name !== "string" || defined.has(name)) return [];
    const message = "is no identity of vaults: must be vault/identity, both by their names";
    return [{ path: [...at, "vault", "identities", index], message }];
  });
  const isNamed = valueAt(cluster, ["vaultAddresses"]) === "named";
  const hasNone = vaults.length === 0 && valueAt(cluster, ["vault", "address"]) === undefined;
  return [
    ...unknown,
    ...(isNamed && hasNone
      ? [{ path: [...at, "vaultAddresses"], message: "is named, and nothing is: add vaults, or vault.address" }]
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
    ...clusters.flatMap((cluster, at) => clusterComplaints(cluster, ["clusters", at], vaults)),
  ];
}
