DROP FUNCTION audit_forget(bigint, bytea);
DROP TABLE audit_anchors;
DROP TABLE audit_seals;
DROP TABLE audit_unsealed;
