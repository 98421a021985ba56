# An example policy for the login that pushes Secrets to Vault (push.identity in fleet.yaml), for kv engines at kv/
# (version 2) and kv-v1/ (version 1). It allows the same paths as push.paths of fleet.yaml should. The template puts the
# namespace of the service account that logged in into the path; ACCESSOR is that of the login's mount:
#
#   vault auth list -format=json | jq -r '."kubernetes-prod-eu/".accessor'
#   vault policy write keyferry-push push.hcl
#   vault write auth/kubernetes-prod-eu/role/keyferry-push policies=keyferry-push audience=vault token_ttl=1h \
#     bound_service_account_names=keyferry-push bound_service_account_namespaces='*'

# Writes, and reads before it writes. patch: only for push.conflict: merge. Without read, keyferry writes by the version
# that it recorded, and restores nothing.
path "kv/data/apps/{{identity.entity.aliases.ACCESSOR.metadata.service_account_namespace}}/*" {
  capabilities = ["create", "read", "update", "patch"]
}

# Deletes the version that keyferry wrote, and no other.
path "kv/delete/apps/{{identity.entity.aliases.ACCESSOR.metadata.service_account_namespace}}/*" {
  capabilities = ["update"]
}

# patch: lists binary values in custom_metadata; without it, their fields are called <key>.b64. delete: only for
# push.deletion: metadata.
path "kv/metadata/apps/{{identity.entity.aliases.ACCESSOR.metadata.service_account_namespace}}/*" {
  capabilities = ["patch", "delete"]
}

path "kv-v1/apps/{{identity.entity.aliases.ACCESSOR.metadata.service_account_namespace}}/*" {
  capabilities = ["create", "read", "update", "delete"]
}
