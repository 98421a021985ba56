import { BlockList, type IPVersion, isIP } from "node:net";

/**
 * IPv4 that no resource of a cluster may have us connect to: what is this machine's own, what only its network segment sees, groups,
 * and where clouds tell a machine who it is and hand out its identity.
 */
const REFUSED_V4: readonly (readonly [network: string, bits: number])[] = [
  // Unspecified: the system takes it for loopback.
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  // Link-local: the metadata services of most clouds among it.
  ["169.254.0.0", 16],
  // Metadata of Alibaba, of Azure's host, of Oracle.
  ["100.100.100.200", 32],
  ["168.63.129.16", 32],
  ["192.0.0.0", 24],
  // Multicast; reserved, and broadcast with it.
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];

const REFUSED_V6: readonly (readonly [network: string, bits: number])[] = [
  // Unspecified, loopback, and IPv4 in a form that is out of use.
  ["::", 96],
  ["fe80::", 10],
  // Site-local, out of use; the system may take it for a link's.
  ["fec0::", 10],
  ["ff00::", 8],
  // Metadata and pod identities of AWS, metadata of Google.
  ["fd00:ec2::", 32],
  ["fd20:ce::254", 128],
  // IPv4 inside of tunnels, and in forms that only a network's owner can read.
  ["2001::", 32],
  ["64:ff9b:1::", 48],
  ["::ffff:0:0:0", 96],
];

/** How IPv6 writes an IPv4 address: NAT64 behind 96 bits, 6to4 behind 16. A mapped one (`::ffff:`) is seen by BlockList itself. */
const TRANSLATED = [
  { prefixBits: 96, write: (high: string, low: string) => `64:ff9b::${high}:${low}` },
  { prefixBits: 16, write: (high: string, low: string) => `2002:${high}:${low}::` },
] as const;

function refusedAddresses(): BlockList {
  const list = new BlockList();
  for (const [network, bits] of REFUSED_V4) {
    list.addSubnet(network, bits, "ipv4");
    const hex = network.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
    const [high, low] = [hex.slice(0, 2).join(""), hex.slice(2).join("")];
    for (const { prefixBits, write } of TRANSLATED) list.addSubnet(write(high, low), prefixBits + bits, "ipv6");
  }
  for (const [network, bits] of REFUSED_V6) list.addSubnet(network, bits, "ipv6");
  return list;
}

const REFUSED = refusedAddresses();

/** Whether an IP address, once it was resolved, is one of a public or private host. What is no IP address is none. */
export function isUnicastHost(address: string): boolean {
  const [plain = ""] = address.split("%");
  const family = isIP(plain);
  return family !== 0 && !REFUSED.check(plain, `ipv${family}` as IPVersion);
}
