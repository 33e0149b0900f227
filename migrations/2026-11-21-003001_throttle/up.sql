-- How often somebody failed to prove a password, shared by all replicas. Every table here may be emptied: then the
-- counting begins anew.

-- One line for each account that somebody tried, and for each name that no account has.
CREATE TABLE throttle_tallies (
    -- The account's id, or what stands for the name: a keyed hash of it.
    target        uuid        NOT NULL,
    -- Attempts from where the account signed in lately are counted apart: strangers can't lock its owner out.
    is_known      boolean     NOT NULL,
    -- Since the last success.
    failures      integer     NOT NULL DEFAULT 0,
    -- How many attempts may be under way at once.
    room          integer     NOT NULL,
    -- No attempt before; the year 9999: none before the password is set anew.
    blocked_until timestamptz NOT NULL DEFAULT 'epoch',
    -- The attempts under way, by when each began.
    begun         timestamptz[] NOT NULL DEFAULT '{}',
    -- When the audit log was last told that attempts are being turned away.
    told_at       timestamptz,
    touched_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT throttle_tallies_pkey PRIMARY KEY (target, is_known)
) WITH (fillfactor = 70);

-- One line for each address, or IPv6 network of 64 bits, from which somebody tried.
CREATE TABLE throttle_sources (
    source  text        NOT NULL CONSTRAINT throttle_sources_pkey PRIMARY KEY,
    -- Attempts that failed or are under way, in the window that ends at ends_at.
    used    integer     NOT NULL,
    ends_at timestamptz NOT NULL,
    told_at timestamptz
) WITH (fillfactor = 70);

-- From where accounts signed in lately.
CREATE TABLE throttle_places (
    account uuid        NOT NULL,
    source  text        NOT NULL,
    -- To the day.
    seen_at timestamptz NOT NULL,
    CONSTRAINT throttle_places_pkey PRIMARY KEY (account, source)
);
