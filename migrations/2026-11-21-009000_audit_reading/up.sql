-- What those need who read the audit log: whom a row is about, for whom a token acted, and why a sign-in failed.

ALTER TABLE audit_events
    -- The account that the act was done to, or whose session or token it was; for a name that no account has, what stands
    -- for it: a keyed hash.
    ADD COLUMN user_id uuid,
    -- The account that the token belongs to which acted.
    ADD COLUMN actor_owner_id uuid,
    -- Why it was refused, where the code that was answered does not say.
    ADD COLUMN reason text;

CREATE INDEX audit_events_user_idx ON audit_events (user_id, at, id);
CREATE INDEX audit_events_actor_owner_idx ON audit_events (actor_owner_id, at, id) WHERE actor_owner_id IS NOT NULL;
CREATE INDEX audit_events_action_idx ON audit_events (action text_pattern_ops, at, id);
DROP INDEX audit_events_subject_idx;

CREATE INDEX audit_people_ip_idx ON audit_people ((words ->> 'ip')) WHERE part = 'actor';
CREATE INDEX audit_people_name_idx ON audit_people ((words ->> 'name')) WHERE part = 'actor';
