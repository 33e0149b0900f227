-- Trigger functions that publish changes: invalidations for the caches of all rosterd processes (NOTIFY), and the
-- revocation feed for services that verify access tokens offline. The triggers are created together with their tables.

-- The channel name contains the schema name, so that two installations in one database do not receive each other's
-- notifications.

-- Invalidates the cached state of one principal (a user or a service client).
-- Argument: the column that contains the principal's id.
CREATE FUNCTION notify_principal_invalidated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rosterd_' || TG_TABLE_SCHEMA, 'principal:' || (to_jsonb(OLD) ->> TG_ARGV[0]));
    RETURN NULL;
END $$;

-- Invalidates the cached state of every principal.
CREATE FUNCTION notify_all_principals_invalidated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rosterd_' || TG_TABLE_SCHEMA, 'all_principals');
    RETURN NULL;
END $$;

-- Invalidates the cached signing keys.
CREATE FUNCTION notify_signing_keys_invalidated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rosterd_' || TG_TABLE_SCHEMA, 'signing_keys');
    RETURN NULL;
END $$;

-- One row for each event that makes unexpired access tokens invalid or outdated. Triggers insert the rows, so every change
-- is recorded, whether it is made over HTTP, on the command line or in psql.
CREATE TABLE revocations (
    -- The 64-bit transaction id. When it is less than pg_snapshot_xmin() of a snapshot, the transaction has ended and its
    -- rows are visible or will never exist. Readers use this to read the feed in commit-safe order.
    xid  bigint      NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    id   bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Exactly one of these is set: the claim that the affected access tokens have in common.
    sid  uuid,
    sub  text,
    role text,
    CONSTRAINT revocations_pkey PRIMARY KEY (xid, id),
    CONSTRAINT revocations_one_claim_check CHECK (num_nonnulls(sid, sub, role) = 1)
);

-- Old rows are deleted by time.
CREATE INDEX revocations_at_idx ON revocations (at);

-- Inserts a row into the revocation feed.
-- Arguments: the claim, the column that contains its value, and a prefix for the value.
CREATE FUNCTION record_revocation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.revocations (%I) VALUES ($1%s)', TG_TABLE_SCHEMA, TG_ARGV[0],
                   CASE TG_ARGV[0] WHEN 'sid' THEN '::uuid' ELSE '' END)
      USING TG_ARGV[2] || (to_jsonb(OLD) ->> TG_ARGV[1]);
    RETURN NULL;
END $$;
