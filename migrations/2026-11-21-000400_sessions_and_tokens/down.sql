DROP TABLE signing_keys;
DROP TABLE personal_access_tokens;
DROP TABLE refresh_tokens;
DROP TABLE sessions;
