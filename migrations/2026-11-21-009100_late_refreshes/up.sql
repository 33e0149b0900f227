-- How many rotations in a row were followed by a late repetition of the previous refresh token, without a use of the access
-- token. A lost response is rare; two parties that share the session repeat each time.
ALTER TABLE sessions
    ADD COLUMN late_repetitions integer NOT NULL DEFAULT 0
        CONSTRAINT sessions_late_repetitions_check CHECK (late_repetitions >= 0),
    ADD COLUMN repeated_generation integer;
