-- A hash chain over the audit log, so that what was written can't be changed, removed or put in between unnoticed. It is
-- sealed in the background, in the order in which transactions commit; an act never waits for it.

-- The rows that the chain does not have yet. An act writes its row and its place here in one statement, so whatever is in
-- the log and neither here nor sealed was not written by rosterd; and a transaction that commits late is sealed late,
-- never skipped.
CREATE TABLE audit_unsealed (
    place    bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_unsealed_pkey PRIMARY KEY,
    -- No foreign key: a row that was removed before it was sealed is missed.
    event_id uuid   NOT NULL
);
INSERT INTO audit_unsealed (event_id) SELECT id FROM audit_events ORDER BY at, id;

CREATE TABLE audit_seals (
    -- From 1 on, without a gap.
    position bigint NOT NULL CONSTRAINT audit_seals_pkey PRIMARY KEY,
    event_id uuid   NOT NULL CONSTRAINT audit_seals_event_id_key UNIQUE,
    -- Of the row.
    at       timestamptz NOT NULL,
    -- SHA-256 over the hash before it and the row.
    hash     bytea  NOT NULL,
    -- Of the position and the hash, under ROSTERD_SECRET_KEY: whoever has the database alone can't make the chain anew.
    mac      bytea  NOT NULL
);

-- Where the chain begins after its oldest part was removed on purpose.
CREATE TABLE audit_anchors (
    position bigint      NOT NULL CONSTRAINT audit_anchors_pkey PRIMARY KEY,
    hash     bytea       NOT NULL,
    mac      bytea       NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now()
);

-- Removes the oldest rows of the log, up to this position of the chain. The service's own role can't delete from the log
-- and may call this, which removes nothing that is younger than a day.
CREATE FUNCTION audit_forget(up_to bigint, anchor_mac bytea) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    gone bigint;
BEGIN
    IF EXISTS (SELECT FROM audit_seals s JOIN audit_events e ON e.id = s.event_id
               WHERE s.position <= up_to AND e.at > now() - interval '1 day') THEN
        RAISE EXCEPTION 'what is younger than a day stays in the audit log';
    END IF;
    INSERT INTO audit_anchors (position, hash, mac)
        SELECT position, hash, anchor_mac FROM audit_seals WHERE position = up_to;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_seals WHERE position <= up_to);
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM audit_seals WHERE position <= up_to;
    DELETE FROM audit_anchors WHERE position < up_to;
    RETURN gone;
END $$;
-- With its owner's rights it must find no tables but its owner's.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION audit_forget(bigint, bytea) SET search_path = %I, pg_temp', current_schema());
END $$;
REVOKE ALL ON FUNCTION audit_forget(bigint, bytea) FROM PUBLIC;
