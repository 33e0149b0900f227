DROP TABLE pending_email_addresses;
