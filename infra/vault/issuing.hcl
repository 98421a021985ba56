# An example policy for logins that issue: VaultDynamicSecrets and VaultPKISecrets of a team. Use it beside policy.hcl, and
# keep only the paths that the team's resources name.
#
#   vault policy write shop-issuing issuing.hcl
#   vault write auth/kubernetes-prod-eu/role/shop policies=shop,shop-issuing \
#     bound_service_account_names=default bound_service_account_namespaces=shop audience=vault token_ttl=1h
#
# Give the role service tokens, without token_num_uses, and a token_ttl of a minute or more: each credential has a login of
# its own, which keyferry renews.

# Dynamic secrets: the path of the request. update, if it has params or is a POST.
path "database/creds/shop" {
  capabilities = ["read"]
}

path "database/static-creds/shop-fixed" {
  capabilities = ["read"]
}

path "ssh/sign/shop" {
  capabilities = ["update"]
}

path "kubernetes/creds/shop" {
  capabilities = ["update"]
}

# Certificates, and those of a declared issuerRef.
path "pki/issue/shop" {
  capabilities = ["update"]
}

path "pki/issuer/+/issue/shop" {
  capabilities = ["update"]
}

# Only for VaultPKISecrets with spec.revoke, and roles without generate_lease. It allows to revoke every certificate of the
# mount whose serial number is known: give teams mounts of their own.
path "pki/revoke" {
  capabilities = ["update"]
}

# The rest is part of Vault's policy default: only roles with token_no_default_policy need it here. Credentials of another
# Vault namespace than the login's need <namespace>/sys/leases/renew and <namespace>/sys/leases/revoke/* as well.

# Keeps a credential and its token.
path "sys/leases/renew" {
  capabilities = ["update"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}

# Ends a credential with its token.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}

# Tells which credentials can't be revoked.
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# keyferry status --leases.
path "sys/leases/lookup" {
  capabilities = ["update"]
}
