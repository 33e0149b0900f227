-- Personal data in the audit log cannot be changed without being noticed, although it can be erased: an event, which the hash
-- chain covers, contains a salted hash of each part of its personal data. Erasing a part deletes its salt as well, so that the
-- remaining hash does not reveal the data, not even if all possible values are tried.

-- NULL in events that are older than these columns. The name of the actor is separate, because it outlives a purge.
ALTER TABLE audit_events
    ADD COLUMN actor_commitment bytea,
    ADD COLUMN actor_name_commitment bytea,
    ADD COLUMN subject_commitment bytea;

ALTER TABLE audit_personal_data
    ADD COLUMN salt bytea,
    -- Of the name of an actor.
    ADD COLUMN name_salt bytea,
    -- When the user was purged. Only the name of an actor is left.
    ADD COLUMN erased_at timestamptz;

-- The salted hash of personal data and of the user that it belongs to.
CREATE FUNCTION audit_commitment(salt bytea, user_id uuid, data jsonb) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(salt || convert_to(concat(user_id::text, '|', data::text), 'UTF8'))
$$;

-- Erases the personal data of a purged user. What the user did keeps the username. SECURITY DEFINER, so that the database
-- role of the service needs no DELETE or UPDATE privilege on personal data.
CREATE FUNCTION erase_audit_personal_data(purged_user uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    kept_rows bigint;
    deleted_rows bigint;
BEGIN
    IF EXISTS (SELECT FROM users WHERE id = purged_user) THEN
        RAISE EXCEPTION 'the personal data of an existing user cannot be erased';
    END IF;
    DELETE FROM audit_personal_data p USING audit_events e
     WHERE p.user_id = purged_user AND e.id = p.event_id
       AND (p.participant = 'subject' OR e.actor_kind NOT IN ('user', 'token'));
    GET DIAGNOSTICS deleted_rows = ROW_COUNT;
    UPDATE audit_personal_data
       SET data = jsonb_build_object('name', data -> 'name'), salt = NULL, erased_at = now()
     WHERE user_id = purged_user AND erased_at IS NULL;
    GET DIAGNOSTICS kept_rows = ROW_COUNT;
    RETURN deleted_rows + kept_rows;
END $$;
REVOKE ALL ON FUNCTION erase_audit_personal_data(uuid) FROM PUBLIC;

-- SHA-256 of the MAC with which prune_audit_log() may make this position the start of the chain. Only a holder of the secret
-- key knows that MAC.
ALTER TABLE audit_chain_links ADD COLUMN prune_lock bytea;

-- As before, and the MAC must be the right one. Links that are older than prune_lock have none.
DO $$ BEGIN
    EXECUTE format($create$
CREATE OR REPLACE FUNCTION prune_audit_log(up_to bigint, anchor_mac bytea) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = %1$I, pg_temp AS $body$
DECLARE
    deleted_events bigint;
BEGIN
    IF EXISTS (SELECT FROM audit_chain_links l JOIN audit_events e ON e.id = l.event_id
               WHERE l.position <= up_to AND e.at > now() - interval '1 day') THEN
        RAISE EXCEPTION 'audit events younger than a day cannot be deleted';
    END IF;
    IF EXISTS (SELECT FROM audit_chain_links WHERE position = up_to
               AND CASE WHEN prune_lock IS NULL THEN up_to > %2$s ELSE prune_lock <> sha256(anchor_mac) END) THEN
        RAISE EXCEPTION 'the MAC is not the one of this position';
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
END $body$
    $create$, current_schema(), (SELECT coalesce(max(position), 0) FROM audit_chain_links));
    EXECUTE format('ALTER FUNCTION erase_audit_personal_data(uuid) SET search_path = %I, pg_temp', current_schema());
END $$;
