-- What was done, by whom, to whom. Rows carry ids only; names, addresses and other words about a person stand in
-- audit_people, which a purge empties.

CREATE TABLE audit_events (
    id           uuid        NOT NULL CONSTRAINT audit_events_pkey PRIMARY KEY,
    at           timestamptz NOT NULL,
    -- user, token, client, cli, system or anonymous
    actor_kind   text        NOT NULL,
    actor_id     uuid,
    session_id   uuid,
    action       text        NOT NULL,
    subject_kind text,
    subject_id   text,
    -- done or refused
    outcome      text        NOT NULL,
    -- The code of a refusal.
    code         text,
    -- What changed, before and after; never a secret, never a name or an address.
    before       jsonb,
    after        jsonb,
    trace_id     text
);

CREATE INDEX audit_events_at_idx ON audit_events (at, id);
CREATE INDEX audit_events_subject_idx ON audit_events (subject_id, at);
CREATE INDEX audit_events_actor_idx ON audit_events (actor_id, at);

CREATE TABLE audit_people (
    event_id uuid  NOT NULL CONSTRAINT audit_people_event_id_fkey REFERENCES audit_events (id) ON DELETE CASCADE,
    -- Whom the words are about; NULL for what is about nobody in the database.
    user_id  uuid,
    -- actor, subject or origin
    part     text  NOT NULL,
    words    jsonb NOT NULL
);

CREATE INDEX audit_people_event_id_idx ON audit_people (event_id);
CREATE INDEX audit_people_user_id_idx ON audit_people (user_id);
