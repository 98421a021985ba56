# What keyferry's logins may read: an example for kv engines at kv/ (version 2) and kv-v1/ (version 1). Give each team's
# role the paths of that team only. Static secrets need read and nothing else.
#
#   vault policy write shop policy.hcl
#   vault write auth/kubernetes-prod-eu/role/shop policies=shop \
#     bound_service_account_names=default bound_service_account_namespaces=shop token_ttl=1h

path "kv/data/shop/*" {
  capabilities = ["read"]
}

path "kv-v1/shop/*" {
  capabilities = ["read"]
}
