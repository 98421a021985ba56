import { BlockList, type IPVersion, isIP } from "node:net";

/**
 * IPv4 networks that no resource of a cluster may make us connect to: addresses of this machine, of its network
 * segment, multicast groups, and the metadata services that hand out a machine's identity.
 */
const REFUSED_V4: readonly (readonly [network: string, bits: number])[] = [
  // Unspecified: the system treats it as loopback.
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  // Link-local, with the metadata services of most clouds.
  ["169.254.0.0", 16],
  // Metadata of Alibaba, of Azure's host, of Oracle.
  ["100.100.100.200", 32],
  ["168.63.129.16", 32],
  ["192.0.0.0", 24],
  // Multicast, reserved and broadcast.
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];

const REFUSED_V6: readonly (readonly [network: string, bits: number])[] = [
  // Unspecified, loopback, and the deprecated IPv4-compatible form.
  ["::", 96],
  ["fe80::", 10],
  // Site-local, deprecated; the system may treat it as link-local.
  ["fec0::", 10],
  ["ff00::", 8],
  // AWS metadata and pod identity; Google metadata.
  ["fd00:ec2::", 32],
  ["fd20:ce::254", 128],
  // Tunnelled IPv4, and forms that only the network's owner can decode.
  ["2001::", 32],
  ["64:ff9b:1::", 48],
  ["::ffff:0:0:0", 96],
];

/**
 * How IPv6 embeds an IPv4 address: NAT64 behind 96 bits, 6to4 behind 16. BlockList itself handles mapped ones
 * (`::ffff:`).
 */
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

/** Whether a resolved IP address belongs to a public or private host. False for anything else. */
export function isUnicastHost(address: string): boolean {
  const [plain = ""] = address.split("%");
  const family = isIP(plain);
  return family !== 0 && !REFUSED.check(plain, `ipv${family}` as IPVersion);
}
