-- Limits on failed authentication attempts, shared by all replicas. Emptying any of these tables only resets the limits.

-- One row for each target of password attempts.
CREATE TABLE rate_limit_counters (
    -- A user id; or a UUID derived from a user id, for attempts from that user's known devices; or a keyed hash of an
    -- unknown username.
    target               uuid        NOT NULL,
    -- Attempts from a session, a device or a source of the user are counted separately, so that a stranger cannot lock the
    -- user out.
    is_trusted           boolean     NOT NULL,
    -- Failed attempts since the last success.
    failures             integer     NOT NULL DEFAULT 0
                                     CONSTRAINT rate_limit_counters_failures_check CHECK (failures >= 0),
    -- How many attempts may be in flight at the same time.
    max_in_flight        integer     NOT NULL
                                     CONSTRAINT rate_limit_counters_max_in_flight_check CHECK (max_in_flight >= 1),
    -- Attempts before this time are refused. The year 9999: until the password is changed.
    blocked_until        timestamptz NOT NULL DEFAULT 'epoch',
    -- The start times of the attempts in flight.
    attempts_in_flight   timestamptz[] NOT NULL DEFAULT '{}',
    -- When a refusal was last recorded in the audit log.
    refusal_audited_at   timestamptz,
    last_attempt_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT rate_limit_counters_pkey PRIMARY KEY (target, is_trusted)
) WITH (fillfactor = 70); -- Leaves room for HOT updates.

-- One row for each source of attempts: an IPv4 address, an IPv6 /64 network, or "program " and one of these for attempts of
-- service clients.
CREATE TABLE rate_limit_sources (
    source             text        NOT NULL CONSTRAINT rate_limit_sources_pkey PRIMARY KEY,
    -- Attempts in the current window that failed or are in flight.
    quota_used         integer     NOT NULL CONSTRAINT rate_limit_sources_quota_used_check CHECK (quota_used >= 0),
    window_ends_at     timestamptz NOT NULL,
    -- When a refusal was last recorded in the audit log.
    refusal_audited_at timestamptz
) WITH (fillfactor = 70);

-- The sources from which a user has recently signed in.
CREATE TABLE rate_limit_known_sources (
    user_id      uuid        NOT NULL,
    source       text        NOT NULL,
    -- Accurate to the day.
    last_seen_at timestamptz NOT NULL,
    CONSTRAINT rate_limit_known_sources_pkey PRIMARY KEY (user_id, source)
);
