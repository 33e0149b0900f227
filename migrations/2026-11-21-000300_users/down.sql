DROP TABLE email_confirmation_tokens;
DROP TABLE password_reset_tokens;
DROP TABLE invites;
DROP TABLE users;
