function text(value: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(value));
  return Buffer.concat([length, Buffer.from(value)]);
}

function number(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** As OpenSSH's PROTOCOL.certkeys says, with so many strings of a public key. */
export function aCertificate(type: string, keyParts: number, before: bigint): string {
  const key = Array.from({ length: keyParts }, (_, part) => text(`part-${part}`));
  const [serial, kind] = [number(7n), Buffer.from([0, 0, 0, 1])];
  const after = number(1n);
  const parts = [text(type), text("nonce"), ...key, serial, kind, text("id"), text("principals"), after];
  return `${type} ${Buffer.concat([...parts, number(before), text("options")]).toString("base64")}`;
}
