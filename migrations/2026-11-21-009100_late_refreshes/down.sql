ALTER TABLE sessions DROP COLUMN late_repetitions, DROP COLUMN repeated_generation;
