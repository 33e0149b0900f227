DROP INDEX audit_people_name_idx;
DROP INDEX audit_people_ip_idx;
CREATE INDEX audit_events_subject_idx ON audit_events (subject_id, at);
DROP INDEX audit_events_action_idx;
DROP INDEX audit_events_actor_owner_idx;
DROP INDEX audit_events_user_idx;
ALTER TABLE audit_events DROP COLUMN reason, DROP COLUMN actor_owner_id, DROP COLUMN user_id;
