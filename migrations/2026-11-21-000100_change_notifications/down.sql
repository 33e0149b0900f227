DROP FUNCTION record_revocation();
DROP TABLE revocations;
DROP FUNCTION notify_signing_keys_invalidated();
DROP FUNCTION notify_all_principals_invalidated();
DROP FUNCTION notify_principal_invalidated();
