DROP TABLE audit_people; DROP TABLE audit_events;
