DROP FUNCTION prune_audit_log(bigint, bytea);
DROP TABLE audit_chain_anchors;
DROP TABLE audit_chain_links;
DROP TABLE audit_chain_queue;
DROP TABLE audit_personal_data;
DROP TABLE audit_events;
