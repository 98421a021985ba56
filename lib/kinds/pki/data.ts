import type { SourceData } from "../../ports/vault.ts";
import type { IssuedData } from "../../ports/vault-issues.ts";
import { type SecretData, SecretValue } from "../../secret-value.ts";
import type { Transformation } from "../../transform/transformation.ts";
import type { ForeseeInput } from "../kind.ts";
import { type Transformed, transformed } from "../shared/transformed.ts";
import type { IssuedCertificate } from "./certificate.ts";

const TLS_TYPE = "kubernetes.io/tls";

/** The answer as templates and filters see it: `ca_chain` is one text, as in VSO. `_raw` stays as Vault sent it. */
export function sourceOf({ response, fields }: Pick<IssuedData, "response" | "fields">): Omit<SourceData, "version"> {
  const chain = fields.get("ca_chain");
  if (!Array.isArray(chain)) return { response, fields };
  const text = chain.filter((item) => typeof item === "string").join("\n");
  return { response, fields: new Map([...fields, ["ca_chain", text]]) };
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

/** The Secret's data. Throws TRANSFORM_FAILED, SECRET_REFUSED, SECRET_TOO_LARGE. */
export function pkiData(
  run: Pick<ForeseeInput, "row" | "templates" | "signal">,
  wanted: { readonly transformation: Transformation; readonly destination: { readonly type: string } },
  answer: Pick<IssuedData, "response" | "fields">,
  issued: IssuedCertificate,
): Promise<Transformed> {
  const { transformation, destination } = wanted;
  return transformed(run, transformation, sourceOf(answer), tlsKeys(issued, destination.type, transformation));
}
