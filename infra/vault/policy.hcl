# What keyferry's logins may read: an example for kv engines at kv/ (version 2) and kv-v1/ (version 1). Give each team's
# role the paths of that team only. Static secrets need read and nothing else.
#
#   vault policy write shop policy.hcl
#   vault write auth/kubernetes-prod-eu/role/shop policies=shop \
#     bound_service_account_names=default bound_service_account_namespaces=shop audience=vault token_ttl=1h
#
# and for a login by an AWS identity, with no permission in AWS for Vault itself:
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
