CREATE OR REPLACE FUNCTION prune_audit_log(up_to bigint, anchor_mac bytea) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    deleted_events bigint;
BEGIN
    IF EXISTS (SELECT FROM audit_chain_links l JOIN audit_events e ON e.id = l.event_id
               WHERE l.position <= up_to AND e.at > now() - interval '1 day') THEN
        RAISE EXCEPTION 'audit events younger than a day cannot be deleted';
    END IF;
    INSERT INTO audit_chain_anchors (position, hash, mac)
        SELECT position, hash, anchor_mac FROM audit_chain_links WHERE position = up_to;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_chain_links WHERE position <= up_to);
    GET DIAGNOSTICS deleted_events = ROW_COUNT;
    DELETE FROM audit_chain_links WHERE position <= up_to;
    DELETE FROM audit_chain_anchors WHERE position < up_to;
    RETURN deleted_events;
END $$;
-- A SECURITY DEFINER function must not resolve names through the search_path of its caller. The schema is not known before
-- the migration runs, hence the dynamic SQL.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION prune_audit_log(bigint, bytea) SET search_path = %I, pg_temp', current_schema());
END $$;
ALTER TABLE audit_chain_links DROP COLUMN prune_lock;
DROP FUNCTION erase_audit_personal_data(uuid);
DROP FUNCTION audit_commitment(bytea, uuid, jsonb);
ALTER TABLE audit_personal_data DROP COLUMN salt, DROP COLUMN name_salt, DROP COLUMN erased_at;
ALTER TABLE audit_events
    DROP COLUMN actor_commitment, DROP COLUMN actor_name_commitment, DROP COLUMN subject_commitment;
