# An example policy for keyferry's logins, for kv engines at kv/ (version 2) and kv-v1/ (version 1). Give the role of
# each team only the paths of that team. Static secrets need only read.
#
#   vault policy write shop policy.hcl
#   vault write auth/kubernetes-prod-eu/role/shop policies=shop \
#     bound_service_account_names=default bound_service_account_namespaces=shop audience=vault token_ttl=1h
#
# For a login with an AWS identity (Vault itself needs no permission in AWS):
#
#   vault write auth/aws/config/client iam_server_id_header_value=vault.example.com
#   vault write auth/aws/role/shop auth_type=iam policies=shop resolve_aws_unique_ids=false token_ttl=1h \
#     bound_iam_principal_arn=arn:aws:iam::123456789012:role/shop

path "kv/data/shop/*" {
  capabilities = ["read"]
}

path "kv-v1/shop/*" {
  capabilities = ["read"]
}
