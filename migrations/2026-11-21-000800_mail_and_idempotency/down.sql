DROP TABLE idempotency_keys;
DROP TABLE mail_outbox;
