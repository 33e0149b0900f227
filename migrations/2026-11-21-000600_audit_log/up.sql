-- The audit log, and the hash chain that makes tampering with it detectable.

-- One row for each action: who did what to what, and with which outcome. Rows contain ids but no names or addresses; those
-- are in audit_personal_data. Rows never contain secrets.
CREATE TABLE audit_events (
    id             uuid        NOT NULL CONSTRAINT audit_events_pkey PRIMARY KEY,
    at             timestamptz NOT NULL,
    actor_kind     text        NOT NULL CONSTRAINT audit_events_actor_kind_check CHECK (actor_kind IN (
        'user', 'token', 'client', 'cli', 'system', 'anonymous')),
    actor_id       uuid,
    -- If the actor is a personal access token: the user it belongs to.
    actor_owner_id uuid,
    session_id     uuid,
    action         text        NOT NULL,
    subject_kind   text        CONSTRAINT audit_events_subject_kind_check CHECK (subject_kind IN (
        'user', 'session', 'token', 'client', 'role', 'permission', 'invite', 'signingKey', 'name')),
    subject_id     text,
    -- The user that is the subject, or that owns the subject (a session or a token). For an unknown username: a keyed
    -- hash of it, because users sometimes type their password into the username field.
    user_id        uuid,
    outcome        text        NOT NULL CONSTRAINT audit_events_outcome_check CHECK (outcome IN ('done', 'refused')),
    -- The error code of a refused action.
    code           text,
    -- Why a sign-in was refused, if the error code does not tell.
    reason         text        CONSTRAINT audit_events_reason_check CHECK (reason IN (
        'unknown_name', 'wrong_password', 'no_password', 'account_deleted', 'account_disabled', 'account_expired',
        'password_change_required', 'rate_limited', 'second_factor')),
    -- The changed members, before and after the action.
    before         jsonb,
    after          jsonb,
    trace_id       text
);

CREATE INDEX audit_events_at_idx ON audit_events (at, id);
CREATE INDEX audit_events_actor_id_idx ON audit_events (actor_id, at);
CREATE INDEX audit_events_actor_owner_id_idx ON audit_events (actor_owner_id, at, id) WHERE actor_owner_id IS NOT NULL;
CREATE INDEX audit_events_user_id_idx ON audit_events (user_id, at, id);
CREATE INDEX audit_events_action_idx ON audit_events (action text_pattern_ops, at, id);

-- Personal data of the participants of an event: usernames, addresses, user agents. It is not part of the hash chain, so
-- that it can be deleted when a user is purged.
CREATE TABLE audit_personal_data (
    event_id    uuid  NOT NULL
                      CONSTRAINT audit_personal_data_event_id_fkey REFERENCES audit_events (id) ON DELETE CASCADE,
    -- The user whose data this is. NULL: the participant is not a user.
    user_id     uuid,
    participant text  NOT NULL CONSTRAINT audit_personal_data_participant_check CHECK (participant IN ('actor', 'subject')),
    data        jsonb NOT NULL
);

CREATE INDEX audit_personal_data_event_id_idx ON audit_personal_data (event_id);
CREATE INDEX audit_personal_data_user_id_idx ON audit_personal_data (user_id);
CREATE INDEX audit_personal_data_actor_ip_idx ON audit_personal_data ((data ->> 'ip')) WHERE participant = 'actor';
CREATE INDEX audit_personal_data_actor_name_idx ON audit_personal_data ((data ->> 'name')) WHERE participant = 'actor';

-- The hash chain is extended in the background, in commit order, so that no action has to wait for it.

-- Events that are not in the chain yet. An event and its entry here are inserted by one statement. An event that is neither
-- here nor in the chain was therefore not written by rosterd, and an event of a transaction that commits late is appended
-- late but never skipped.
CREATE TABLE audit_chain_queue (
    id       bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_chain_queue_pkey PRIMARY KEY,
    -- Not a foreign key, so that deleting an event that is still queued is detected.
    event_id uuid   NOT NULL
);

CREATE TABLE audit_chain_links (
    -- Consecutive, starting at 1.
    position bigint NOT NULL CONSTRAINT audit_chain_links_pkey PRIMARY KEY
                    CONSTRAINT audit_chain_links_position_check CHECK (position >= 1),
    -- Not a foreign key, so that deleting an event is detected.
    event_id uuid   NOT NULL CONSTRAINT audit_chain_links_event_id_key UNIQUE,
    -- The "at" of the event.
    at       timestamptz NOT NULL,
    -- SHA-256 of the previous hash and the event.
    hash     bytea  NOT NULL,
    -- MAC of the position and the hash, with a key derived from ROSTERD_SECRET_KEY: access to the database is not enough
    -- to rebuild the chain.
    mac      bytea  NOT NULL
);

-- Where the chain starts after its oldest links were deleted by prune_audit_log().
CREATE TABLE audit_chain_anchors (
    position   bigint      NOT NULL CONSTRAINT audit_chain_anchors_pkey PRIMARY KEY,
    hash       bytea       NOT NULL,
    mac        bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Deletes the oldest events, up to this position of the chain, and returns how many were deleted. SECURITY DEFINER, so that
-- the database role of the service needs no DELETE privilege on the audit log. Events younger than a day are never deleted.
CREATE FUNCTION prune_audit_log(up_to bigint, anchor_mac bytea) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
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
REVOKE ALL ON FUNCTION prune_audit_log(bigint, bytea) FROM PUBLIC;
