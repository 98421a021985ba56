import type { IssuedData } from "../../ports/vault-issues.ts";
import { type SecretData, SecretValue } from "../../secret-value.ts";
import type { Transformation } from "../../transform/transformation.ts";
import type { ForeseeInput } from "../kind.ts";
import { type Transformed, transformed } from "../shared/transformed.ts";
import type { IssuedCertificate } from "./certificate.ts";

const TLS_TYPE = "kubernetes.io/tls";
const CHAIN_KEY = "ca_chain";

/** A chain of Vault's answer as one text, as it is in a Secret: undefined without a list. */
function chainText(fields: IssuedData["fields"]): string | undefined {
  const chain = fields.get(CHAIN_KEY);
  if (!Array.isArray(chain)) return undefined;
  return chain.filter((item) => typeof item === "string").join("\n");
}

/**
 * The keys of a Secret for TLS, if it is one and no templates fill it: PEM in any format of the answer, and never a
 * private key in `tls.crt`.
 */
export function tlsKeys(
  { pem, privateKeyPem, chain, issuer }: Omit<IssuedCertificate, "x509" | "serial" | "notBefore" | "expiration">,
  type: string,
  { templates }: Pick<Transformation, "templates">,
): SecretData {
  if (type !== TLS_TYPE || templates.length > 0) return new Map();
  const authorities = chain.length > 0 ? chain : [issuer ?? ""].filter((text) => text !== "");
  const authority = issuer ?? chain[0];
  return new Map([
    ["tls.crt", SecretValue.of([pem, ...authorities].join("\n"))],
    ["tls.key", privateKeyPem],
    ...(authority === undefined ? [] : [["ca.crt", SecretValue.of(authority)] as const]),
  ]);
}

/**
 * The Secret's data. Templates see `ca_chain` as Vault sent it, a list. The key of that name is the whole chain as one
 * text even where a template fills it: as in VSO, whose users may rely on both. Throws TRANSFORM_FAILED, SECRET_REFUSED,
 * SECRET_TOO_LARGE.
 */
export async function pkiData(
  run: Pick<ForeseeInput, "row" | "templates" | "signal">,
  wanted: { readonly transformation: Transformation; readonly destination: { readonly type: string } },
  answer: Pick<IssuedData, "response" | "fields">,
  issued: IssuedCertificate,
): Promise<Transformed> {
  const { transformation, destination } = wanted;
  const made = await transformed(run, transformation, answer, tlsKeys(issued, destination.type, transformation));
  const chain = chainText(answer.fields);
  const isEmpty = (made.data.get(CHAIN_KEY)?.byteLength ?? 0) === 0;
  if (chain === undefined || isEmpty) return made;
  return { ...made, data: new Map([...made.data, [CHAIN_KEY, SecretValue.of(chain)]]) };
}
