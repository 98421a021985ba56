import { type Complaint, valueAt } from "../util/complaints.ts";
import { normalAddress } from "../vault-address.ts";

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

/** `vault/identity` for each defined identity. */
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
    const message = "is not an identity in vaults: must be vault/identity, by their names";
    return [{ path: [...at, "vault", "identities", index], message }];
  });
  const isNamed = valueAt(cluster, ["vaultAddresses"]) === "named";
  const hasNone = vaults.length === 0 && valueAt(cluster, ["vault", "address"]) === undefined;
  return [
    ...unknown,
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
    ...clusters.flatMap((cluster, at) => clusterComplaints(cluster, ["clusters", at], vaults)),
    ...items(valueAt(input, ["hubs"])).flatMap((hub, at) =>
      clusterComplaints(valueAt(hub, ["defaults"]), ["hubs", at, "defaults"], vaults),
    ),
  ];
}
